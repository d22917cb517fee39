/* fully_connected, int8, with weights of four bits, or with a zero point other than 0; portable C.
   weights: int8 [outputs][features], or rows as in int4.h; bias [outputs] with -x_zero * sum(w - w_zero) folded in.
   A row is written while it is read. */
#include "int4.h"
#include "requantize.h"

struct midge_fully_connected_s8_zero {
    int32_t rows, features, outputs;
    int is_int4;
    int32_t w_zero; /* what stands for 0 in the weights */
    int32_t y_zero, low, high;
    struct midge_factors factors;
};

MIDGE_KERNEL void midge_fully_connected_s8_zero(
    const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias,
    const struct midge_fully_connected_s8_zero *p) {
    const int32_t row_bytes = p->is_int4 ? (p->features + 1) / 2 : p->features;
    for (int32_t r = 0; r < p->rows; r++) {
        int32_t offset = 0;
        if (p->w_zero != 0) {
            for (int32_t k = 0; k < p->features; k++) {
                offset -= x[k];
            }
            offset *= p->w_zero;
        }
        for (int32_t o = 0; o < p->outputs; o++) {
            const int8_t *row = weights + o * row_bytes;
            int32_t sum = bias[o] + offset;
            if (p->is_int4) {
                sum = midge_dot_s8_s4(x, row, p->features, sum);
            } else {
                for (int32_t k = 0; k < p->features; k++) {
                    sum += x[k] * row[k];
                }
            }
            const struct midge_factor factor = midge_factor_of(&p->factors, o);
            const int32_t scaled = midge_rescale(sum, factor, &p->factors) + p->y_zero;
            *y++ = midge_clamp_s8(scaled, p->low, p->high);
        }
        x += p->features;
    }
}
