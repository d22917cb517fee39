/* l2_normalization, int8 -> int8 of scale 1/128 and zero point 0. A row is read wholly, then element by element before
   it is written. */
#include "inverse_square_root.h"

struct midge_l2_normalization {
    int32_t rows, length, x_zero;
};

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
