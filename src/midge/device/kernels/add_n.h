/* add_n: the sum of `count` tensors of one shape. An element of each is read before it is written. */
#include "float32.h"
#include "requantize.h"

struct midge_add_n {
    int32_t count, size;
    int32_t x_zero;
    struct midge_factors sum;
    int32_t y_zero;
};

/* int8: codes gain 20 bits and are halved, which leaves nothing to round. The sum starts from the code 0 and stays
   within int32. */
MIDGE_KERNEL void midge_add_n_s8(const int8_t *const *x, int8_t *y, const struct midge_add_n *p) {
    for (int32_t i = 0; i < p->size; i++) {
        int32_t sum = -p->x_zero * (p->count + 1);
        for (int32_t j = 0; j < p->count; j++) {
            sum += x[j][i];
        }
        sum = (int32_t)((uint32_t)sum << 19);
        sum = midge_rescale(sum, midge_factor_of(&p->sum, 0), &p->sum) + p->y_zero;
        y[i] = midge_clamp_s8(sum, INT8_MIN, INT8_MAX);
    }
}

/* float32: from 0, in the order of the tensors. */
MIDGE_KERNEL void midge_add_n_f32(const float *const *x, float *y, const struct midge_add_n *p) {
    for (int32_t i = 0; i < p->size; i++) {
        float sum = 0.0f;
        for (int32_t j = 0; j < p->count; j++) {
            sum += x[j][i];
        }
        y[i] = sum;
    }
}
