/* fully_connected, int8, portable C.
   weights [outputs][features]; bias [outputs] with -x_zero * sum(weights) folded in.
   A row is written while it is read. */
#include "requantize.h"

struct midge_fully_connected {
    int32_t rows, features, outputs;
    int32_t y_zero, low, high;
    struct midge_factors factors;
};

MIDGE_KERNEL void midge_fully_connected_s8(
    const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias,
    const struct midge_fully_connected *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        for (int32_t o = 0; o < p->outputs; o++) {
            int32_t sum = bias[o];
            for (int32_t k = 0; k < p->features; k++) {
                sum += x[k] * weights[o * p->features + k];
            }
            const struct midge_factor factor = midge_factor_of(&p->factors, o);
            const int32_t scaled = midge_rescale(sum, factor, &p->factors) + p->y_zero;
            *y++ = midge_clamp_s8(scaled, p->low, p->high);
        }
        x += p->features;
    }
}
