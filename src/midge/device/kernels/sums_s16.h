/* Sums of int16 activations times int8 weights, and what becomes of them.
   Most layers' sums are proven to lie in int32: they are taken in int32, and widened for the rescaling alone. */
#include "clamp.h"
#include "requantize.h"
#include "requantize_16x8.h"

struct midge_sums_s16 {
    const int32_t *bias;      /* one an output, with -x_zero * sum(weights) folded in; NULL: none here */
    const int64_t *long_bias; /* where it leaves int32 */
    int narrow;               /* 1: no sum leaves int32, nor a part of it */
    int is_long;              /* 1: rescaled as 64-bit sums are, by long_factors; 0: by factors */
    struct midge_factors factors;
    struct midge_factors_16x8 long_factors;
    int32_t y_zero, low, high;
};

MIDGE_KERNEL int64_t midge_bias_s16(const struct midge_sums_s16 *p, int32_t output) {
    return p->bias != NULL ? p->bias[output] : p->long_bias != NULL ? p->long_bias[output] : 0;
}

MIDGE_KERNEL int64_t midge_dot_s16(const int16_t *x, const int8_t *weights, int32_t count, int narrow) {
    if (narrow) {
        int32_t sum = 0;
        for (int32_t k = 0; k < count; k++) {
            sum += x[k] * weights[k];
        }
        return sum;
    }
    int64_t sum = 0;
    for (int32_t k = 0; k < count; k++) {
        sum += x[k] * weights[k];
    }
    return sum;
}

MIDGE_KERNEL int16_t midge_finish_s16(int64_t sum, int32_t output, const struct midge_sums_s16 *p) {
    int32_t scaled;
    if (p->is_long) {
        scaled = midge_rescale_16x8(sum, midge_factor_word(&p->long_factors, output), &p->long_factors);
    } else {
        scaled = midge_rescale((int32_t)sum, midge_factor_of(&p->factors, output), &p->factors);
    }
    return midge_clamp_s16(scaled + p->y_zero, p->low, p->high);
}
