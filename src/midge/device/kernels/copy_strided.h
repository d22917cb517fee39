/* A box of elements from one place to another: what transposing, slicing, splitting, joining, padding, tiling and
   broadcasting come down to. Elements of any type go as units of 1, 2 or 4 bytes.

   The box is walked in row-major order. MIDGE_MOVE_UNITS reads up to four units of the innermost dimension before it
   writes them, and nothing else ahead: so the target may lie on parts of the source that have been read already.
   MIDGE_MOVE_RUNS copies the innermost dimension at once: source and target are dense there, and apart.
   MIDGE_MOVE_FILL writes bytes of one value, and reads nothing. */
#include "units.h"

#define MIDGE_MOVE_RANK 8

/* Where loads and stores reach 31 bytes, as in Thumb-1, a loop that is unrolled computes addresses instead. */
#if defined(__ARM_ARCH_6M__)
#define MIDGE_MOVE_LOOP _Pragma("GCC unroll 1")
#else
#define MIDGE_MOVE_LOOP
#endif

enum midge_move_kind { MIDGE_MOVE_UNITS, MIDGE_MOVE_RUNS, MIDGE_MOVE_FILL };

struct midge_move {
    int32_t kind;                    /* midge_move_kind */
    int32_t unit;                    /* bytes; every offset and stride is a multiple of it */
    int32_t value;                   /* of the bytes of MIDGE_MOVE_FILL */
    int32_t extent[MIDGE_MOVE_RANK]; /* in units, outermost first */
    int32_t source;                  /* offset in bytes */
    int32_t source_stride[MIDGE_MOVE_RANK];
    int32_t target;
    int32_t target_stride[MIDGE_MOVE_RANK];
    int32_t parallel; /* source and target have equal strides: nothing is left to do where they are the same */
};

#define MIDGE_MOVE_FROM(type, i) (*(const type *)(const void *)(x + (i) * sx))
#define MIDGE_MOVE_TO(type, i) (*(type *)(void *)(y + (i) * sy))
#define MIDGE_MOVE_UNITS_OF(type)                                                                                      \
    do {                                                                                                               \
        int32_t i = 0;                                                                                                 \
        MIDGE_MOVE_LOOP                                                                                                \
        for (; i + 4 <= n; i += 4) {                                                                                   \
            const type a = MIDGE_MOVE_FROM(type, i), b = MIDGE_MOVE_FROM(type, i + 1);                                 \
            const type c = MIDGE_MOVE_FROM(type, i + 2), d = MIDGE_MOVE_FROM(type, i + 3);                             \
            MIDGE_MOVE_TO(type, i) = a;                                                                                \
            MIDGE_MOVE_TO(type, i + 1) = b;                                                                            \
            MIDGE_MOVE_TO(type, i + 2) = c;                                                                            \
            MIDGE_MOVE_TO(type, i + 3) = d;                                                                            \
        }                                                                                                              \
        for (; i < n; i++) {                                                                                           \
            MIDGE_MOVE_TO(type, i) = MIDGE_MOVE_FROM(type, i);                                                         \
        }                                                                                                              \
    } while (0)

/* The innermost dimension. */
MIDGE_KERNEL void midge_move_row(const uint8_t *x, uint8_t *y, const struct midge_move *p) {
    const int32_t n = p->extent[MIDGE_MOVE_RANK - 1];
    const int32_t sx = p->source_stride[MIDGE_MOVE_RANK - 1], sy = p->target_stride[MIDGE_MOVE_RANK - 1];
    if (p->kind == MIDGE_MOVE_FILL) {
        MIDGE_FILL(y, p->value, n);
    } else if (p->kind == MIDGE_MOVE_RUNS) {
        midge_copy_units(x, y, n, p->unit);
    } else if (sx == p->unit && sy == p->unit) {
        if (p->unit == 4) {
            midge_copy_words_forward(x, y, n);
        } else {
            midge_copy_bytes_forward(x, y, n * p->unit);
        }
    } else if (p->unit == 4) {
        MIDGE_MOVE_UNITS_OF(midge_unit_4);
    } else if (p->unit == 2) {
        MIDGE_MOVE_UNITS_OF(midge_unit_2);
    } else {
        MIDGE_MOVE_UNITS_OF(midge_unit_1);
    }
}

MIDGE_KERNEL void midge_copy_strided(const void *source, void *target, const struct midge_move *p) {
    const int32_t *n = p->extent, *sx = p->source_stride, *sy = p->target_stride;
    const uint8_t *x = (const uint8_t *)source + p->source;
    uint8_t *y = (uint8_t *)target + p->target;
    if (p->parallel && x == y) {
        return;
    }
    MIDGE_MOVE_LOOP for (int32_t i0 = 0; i0 < n[0]; i0++) {
        MIDGE_MOVE_LOOP for (int32_t i1 = 0; i1 < n[1]; i1++) {
            MIDGE_MOVE_LOOP for (int32_t i2 = 0; i2 < n[2]; i2++) {
                MIDGE_MOVE_LOOP for (int32_t i3 = 0; i3 < n[3]; i3++) {
                    MIDGE_MOVE_LOOP for (int32_t i4 = 0; i4 < n[4]; i4++) {
                        MIDGE_MOVE_LOOP for (int32_t i5 = 0; i5 < n[5]; i5++) {
                            MIDGE_MOVE_LOOP for (int32_t i6 = 0; i6 < n[6]; i6++) {
                                midge_move_row(
                                    x + i0 * sx[0] + i1 * sx[1] + i2 * sx[2] + i3 * sx[3] + i4 * sx[4] + i5 * sx[5] +
                                        i6 * sx[6],
                                    y + i0 * sy[0] + i1 * sy[1] + i2 * sy[2] + i3 * sy[3] + i4 * sy[4] + i5 * sy[5] +
                                        i6 * sy[6],
                                    p);
                            }
                        }
                    }
                }
            }
        }
    }
}
