/* fully_connected, int16 with int8 weights, portable C.
   weights [outputs][features].
   A row is written while it is read. */
#include "sums_s16.h"

struct midge_fully_connected_s16 {
    int32_t rows, features, outputs;
    int32_t w_zero; /* what stands for 0 in the weights */
    struct midge_sums_s16 sums;
};

MIDGE_KERNEL void midge_fully_connected_s16(
    const int16_t *x, int16_t *y, const int8_t *weights, const struct midge_fully_connected_s16 *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        int64_t offset = 0;
        if (p->w_zero != 0) {
            for (int32_t k = 0; k < p->features; k++) {
                offset -= x[k];
            }
            offset *= p->w_zero;
        }
        for (int32_t o = 0; o < p->outputs; o++) {
            const int64_t products = midge_dot_s16(x, weights + o * p->features, p->features, p->sums.narrow);
            *y++ = midge_finish_s16(midge_bias_s16(&p->sums, o) + offset + products, o, &p->sums);
        }
        x += p->features;
    }
}
