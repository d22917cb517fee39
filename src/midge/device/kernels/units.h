/* Bytes that are moved one, two or four at a time, whatever they stand for. */
#include "base.h"

/* Of any type: arrays of floats, say, are read and written through these. */
typedef uint8_t __attribute__((may_alias)) midge_unit_1;
typedef uint16_t __attribute__((may_alias)) midge_unit_2;
typedef uint32_t __attribute__((may_alias)) midge_unit_4;

/* Copy words in ascending order, four of them read before they are written and nothing else ahead: so the target may
   lie on what has been read already. */
MIDGE_KERNEL void midge_copy_words_forward(const uint8_t *x, uint8_t *y, int32_t count) {
    const midge_unit_4 *from = (const midge_unit_4 *)(const void *)x;
    midge_unit_4 *to = (midge_unit_4 *)(void *)y;
    int32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        const uint32_t a = from[i], b = from[i + 1], c = from[i + 2], d = from[i + 3];
        to[i] = a;
        to[i + 1] = b;
        to[i + 2] = c;
        to[i + 3] = d;
    }
    for (; i < count; i++) {
        to[i] = from[i];
    }
}

/* The same for bytes at any addresses. Where a core loads words from odd ones, up to four bytes are read before they are
   written; memcpy goes byte by byte there. */
MIDGE_KERNEL void midge_copy_bytes_forward(const uint8_t *x, uint8_t *y, int32_t count) {
    int32_t i = 0;
    for (; i + 4 <= count; i += 4) {
#if defined(__ARM_FEATURE_UNALIGNED)
        uint32_t word;
        MIDGE_COPY(&word, x + i, sizeof word);
        MIDGE_COPY(y + i, &word, sizeof word);
#else
        y[i] = x[i];
        y[i + 1] = x[i + 1];
        y[i + 2] = x[i + 2];
        y[i + 3] = x[i + 3];
#endif
    }
    for (; i < count; i++) {
        y[i] = x[i];
    }
}

/* Copy `count` units of `unit` bytes that stand side by side, at addresses that are multiples of `unit`; what is
   read and what is written do not overlap. */
MIDGE_KERNEL void midge_copy_units(const uint8_t *x, uint8_t *y, int32_t count, int32_t unit) {
    if (unit == 4) {
        MIDGE_COPY(__builtin_assume_aligned(y, 4), __builtin_assume_aligned(x, 4), 4 * count);
    } else {
        midge_copy_bytes_forward(x, y, unit * count);
    }
}
