/* fully_connected, int8, with SMLAD: two outputs at a time.
   weights: for each pair of outputs, words of four features, alternating, as in conv_2d_s8_dsp.h.
   row: scratch of `padded` halves. A row is widened before its outputs are written. */
#include "dsp.h"
#include "requantize.h"

struct midge_fully_connected_dsp {
    int32_t rows, features, outputs;
    int32_t padded; /* features rounded up to a multiple of 4 */
    int32_t y_zero, low, high;
    struct midge_factors factors;
};

/* Four features of one row (x) and two outputs (w): 8 multiply-accumulates in 10 instructions. */
MIDGE_KERNEL void midge_tile_1x2(const uint32_t **x, const int8_t **w, int32_t *s0, int32_t *s1) {
    uint32_t w0, w1, x0, x1, t;
    __asm__ volatile(
        "ldrd %[w0], %[w1], [%[w]], #8\n\t"
        "ldrd %[x0], %[x1], [%[x]], #8\n\t"
        "sxtb16 %[t], %[w0]\n\t"
        "smlad %[s0], %[x0], %[t], %[s0]\n\t"
        "sxtb16 %[t], %[w1]\n\t"
        "smlad %[s1], %[x0], %[t], %[s1]\n\t"
        "sxtb16 %[t], %[w0], ror #8\n\t"
        "smlad %[s0], %[x1], %[t], %[s0]\n\t"
        "sxtb16 %[t], %[w1], ror #8\n\t"
        "smlad %[s1], %[x1], %[t], %[s1]"
        : [x] "+r"(*x), [w] "+r"(*w), [s0] "+r"(*s0), [s1] "+r"(*s1), [w0] "=&r"(w0), [w1] "=&r"(w1),
          [x0] "=&r"(x0), [x1] "=&r"(x1), [t] "=&r"(t)
        :
        : "memory");
}

/* Widen a row; the last word is filled up with zeros, whose weights are zero too. */
MIDGE_KERNEL void midge_widen_row_s8(const int8_t *x, int32_t features, uint32_t *row) {
    const int32_t whole = features & ~3;
    midge_widen_s8(x, whole, row, 1);
    if (features != whole) {
        uint32_t last = 0;
        MIDGE_COPY(&last, x + whole, (features - whole));
        row[whole / 2] = midge_sxtb16(last);
        row[whole / 2 + 1] = midge_sxtb16_ror8(last);
    }
}

MIDGE_KERNEL void midge_fully_connected_s8_dsp(
    const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias, uint32_t *row,
    const struct midge_fully_connected_dsp *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        const int8_t *packed = weights;
        midge_widen_row_s8(x, p->features, row);
        for (int32_t o = 0; o < p->outputs; o += 2) {
            const uint32_t *column = row, *end = row + p->padded / 2;
            int32_t s0 = bias[o], s1 = bias[o + 1];
            if (p->padded % 16 == 0) {
                do {
                    midge_tile_1x2(&column, &packed, &s0, &s1);
                    midge_tile_1x2(&column, &packed, &s0, &s1);
                    midge_tile_1x2(&column, &packed, &s0, &s1);
                    midge_tile_1x2(&column, &packed, &s0, &s1);
                } while (column != end);
            } else {
                do {
                    midge_tile_1x2(&column, &packed, &s0, &s1);
                } while (column != end);
            }
            const int32_t v0 = midge_rescale(s0, midge_factor_of(&p->factors, o), &p->factors);
            *y++ = midge_clamp_s8(v0 + p->y_zero, p->low, p->high);
            if (p->outputs % 2 == 0 || o + 1 < p->outputs) {
                const int32_t v1 = midge_rescale(s1, midge_factor_of(&p->factors, o + 1), &p->factors);
                *y++ = midge_clamp_s8(v1 + p->y_zero, p->low, p->high);
            }
        }
        x += p->features;
    }
}
