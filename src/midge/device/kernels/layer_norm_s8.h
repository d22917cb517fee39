/* layer_norm, int8. gamma int16 [length] and beta int32 [length], or NULL. A row is read wholly, then element by element
   before it is written. A normalised element has 16 bits, its product with gamma 31. */
#include "layer_norm.h"

MIDGE_KERNEL void midge_layer_norm_s8(
    const int8_t *x, int8_t *y, const int16_t *gamma, const int32_t *beta, const struct midge_layer_norm *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        int32_t sum = 0, squares = 0;
        for (int32_t i = 0; i < p->length; i++) {
            sum += x[i];
            squares += x[i] * x[i];
        }
        const struct midge_factor factor = midge_layer_norm_factor(sum, squares, p);
        for (int32_t i = 0; i < p->length; i++) {
            int32_t value = midge_layer_norm_element(p->length * x[i] - sum, factor);
            value = gamma != NULL ? value * gamma[i] : value;
            value += beta != NULL ? beta[i] : 0;
            value = midge_rescale(value, midge_factor_of(&p->factors, 0), &p->factors) + p->y_zero;
            y[i] = midge_clamp_s8(value, INT8_MIN, INT8_MAX);
        }
        x += p->length;
        y += p->length;
    }
}
