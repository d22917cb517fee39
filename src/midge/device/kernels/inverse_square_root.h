/* One over a square root, in fixed point, as TFLite Micro computes it. */
#include "fixed_point.h"

/* 1 / sqrt(value) as multiplier * 2^(-31 - shift), by five steps of Newton's method from 1 in Q3.28; value >= 0, and
   that of 0 is that of 1. */
MIDGE_KERNEL struct midge_factor midge_inverse_square_root(int32_t value) {
    struct midge_factor root = {INT32_MAX, 0};
    if (value <= 1) {
        return root;
    }
    int32_t shift = 11;
    while (value >= 1 << 29) {
        value >>= 2;
        ++shift;
    }
    const int32_t pairs = (midge_leading_zeros((uint32_t)value) - 3) / 2;
    value <<= 2 * pairs;
    shift -= pairs;
    const int32_t half = midge_shift_right(value >> 1, 1);
    int32_t x = 1 << 28;
    for (int32_t i = 0; i < 5; i++) {
        const int32_t cube =
            midge_shift_left_saturating(midge_multiply_high(midge_multiply_high(x, x), x), 6);
        x = midge_shift_left_saturating(midge_multiply_high(x, 3 << 27) - midge_multiply_high(half, cube), 3);
    }
    root.multiplier = midge_multiply_high(x, 1518500250);
    if (shift < 0) {
        root.multiplier *= 1 << -shift;
        shift = 0;
    }
    root.shift = shift;
    return root;
}
