/* fully_connected, float32, portable C.
   weights [outputs][features]; bias [outputs], or NULL. Products are added one by one in the order of the features.
   A row is written while it is read. */
#include "clamp.h"
#include "float32.h"

struct midge_fully_connected_f32 {
    int32_t rows, features, outputs;
    float low, high;
};

MIDGE_KERNEL void midge_fully_connected_f32(
    const float *x, float *y, const float *weights, const float *bias,
    const struct midge_fully_connected_f32 *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        for (int32_t o = 0; o < p->outputs; o++) {
            float sum = 0.0f;
            for (int32_t k = 0; k < p->features; k++) {
                sum += x[k] * weights[o * p->features + k];
            }
            *y++ = midge_clamp_f32(bias != NULL ? sum + bias[o] : sum, p->low, p->high);
        }
        x += p->features;
    }
}
