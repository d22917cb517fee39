/* layer_norm, int16. gamma int16 [length] and beta int32 [length], or NULL. A row is read wholly, then element by element
   before it is written. A normalised element has 25 bits, its product with gamma 40, of which 15 are rounded away. */
#include "layer_norm.h"

MIDGE_KERNEL void midge_layer_norm_s16(
    const int16_t *x, int16_t *y, const int16_t *gamma, const int32_t *beta, const struct midge_layer_norm *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        int32_t sum = 0;
        int64_t squares = 0;
        for (int32_t i = 0; i < p->length; i++) {
            sum += x[i];
            squares += x[i] * x[i];
        }
        const struct midge_factor factor = midge_layer_norm_factor(sum, squares, p);
        for (int32_t i = 0; i < p->length; i++) {
            int32_t value = midge_layer_norm_element(p->length * x[i] - sum, factor);
            value = gamma != NULL ? (int32_t)(((int64_t)value * gamma[i] + (1 << 14)) >> 15) : value;
            value += beta != NULL ? beta[i] : 0;
            value = midge_rescale(value, midge_factor_of(&p->factors, 0), &p->factors) + p->y_zero;
            y[i] = midge_clamp_s16(value, INT16_MIN, INT16_MAX);
        }
        x += p->length;
        y += p->length;
    }
}
