/* One over the square root, int16 with zero point 0. An element is read before it is written.
   The root's inverse is taken to 20 fraction bits, then to the output's steps by `factors`. */
#include "clamp.h"
#include "fixed_point.h"

struct midge_rsqrt {
    int32_t size;
    struct midge_factors factors;
};

/* 2^20 / sqrt(v), rounded as TFLite's kernels do; v in [1, 32767]. */
MIDGE_KERNEL int32_t midge_inverse_root_q20(int32_t v) {
    if (v == 1) {
        return 1 << 20;
    }
    /* Brought to [2^27, 2^29) by pairs of bits; x is a Q3.28, products of three are Q9.22. */
    int32_t pairs = 0;
    while (v < 1 << 27) {
        v *= 4;
        pairs++;
    }
    const int32_t half = midge_shift_right(v >> 1, 1);
    int32_t x = 1 << 28;
    for (int32_t k = 0; k < 5; k++) {
        const int32_t cube = midge_multiply_high(midge_multiply_high(x, x), x);
        const int32_t less = midge_multiply_high(half, midge_shift_left_saturating(cube, 6));
        x = midge_shift_left_saturating(midge_multiply_high(x, 3 << 27) - less, 3);
    }
    x = midge_multiply_high(x, 1518500250); /* sqrt(1/2) */
    /* Where v is small the shift would be negative: its bits go into x instead. */
    const int32_t shift = 11 - pairs;
    if (shift < 0) {
        x *= 1 << -shift;
    }
    return midge_multiply_high(1 << (20 - midge_max(shift, 0)), x);
}

MIDGE_KERNEL void midge_rsqrt_s16(const int16_t *x, int16_t *y, const struct midge_rsqrt *p) {
    for (int32_t i = 0; i < p->size; i++) {
        if (x[i] <= 0) {
            y[i] = INT16_MAX;
            continue;
        }
        const int32_t root = midge_inverse_root_q20(x[i]);
        const int32_t scaled = midge_rescale(root, midge_factor_of(&p->factors, 0), &p->factors);
        y[i] = midge_clamp_s16(scaled, INT16_MIN, INT16_MAX);
    }
}
