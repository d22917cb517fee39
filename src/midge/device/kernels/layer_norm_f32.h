/* layer_norm, float32: sums in order. gamma and beta [length], or NULL. A row is read wholly, then element by element
   before it is written. */
#include "float32.h"
#include "float_math.h"

struct midge_layer_norm_f32 {
    int32_t rows, length;
    float epsilon;
};

MIDGE_KERNEL void midge_layer_norm_f32(
    const float *x, float *y, const float *gamma, const float *beta, const struct midge_layer_norm_f32 *p) {
    const float length = (float)p->length;
    for (int32_t r = 0; r < p->rows; r++) {
        float sum = 0.0f, squares = 0.0f;
        for (int32_t i = 0; i < p->length; i++) {
            sum += x[i];
        }
        const float mean = midge_divide_f32(sum, length);
        for (int32_t i = 0; i < p->length; i++) {
            const float centred = x[i] - mean;
            squares += centred * centred;
        }
        const float root = midge_sqrt_f32(midge_divide_f32(squares, length) + p->epsilon);
        const float factor = midge_divide_f32(1.0f, root);
        for (int32_t i = 0; i < p->length; i++) {
            float value = (x[i] - mean) * factor;
            if (gamma != NULL) {
                value *= gamma[i];
            }
            if (beta != NULL) {
                value += beta[i];
            }
            y[i] = value;
        }
        x += p->length;
        y += p->length;
    }
}
