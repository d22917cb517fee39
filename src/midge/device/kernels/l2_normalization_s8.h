/* l2_normalization, int8 -> int8 of scale 1/128 and zero point 0. A row is read wholly, then element by element before
   it is written. */
#include "fixed_point.h"

struct midge_l2_normalization {
    int32_t rows, length, x_zero;
};

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

MIDGE_KERNEL void midge_l2_normalization_s8(const int8_t *x, int8_t *y, const struct midge_l2_normalization *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        int32_t squares = 0;
        for (int32_t i = 0; i < p->length; i++) {
            const int32_t centred = x[i] - p->x_zero;
            squares += centred * centred;
        }
        const struct midge_factor root = midge_inverse_square_root(squares);
        const int32_t left = midge_max(7 - root.shift, 0), right = midge_max(root.shift - 7, 0);
        for (int32_t i = 0; i < p->length; i++) {
            const int32_t centred = (x[i] - p->x_zero) * (1 << left);
            const int32_t value = midge_shift_right(midge_multiply_high(centred, root.multiplier), right);
            y[i] = midge_clamp_s8(value, INT8_MIN, INT8_MAX);
        }
        x += p->length;
        y += p->length;
    }
}
