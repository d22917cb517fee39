/* layer_norm of integers: the exact variance of a row, and what takes its elements to numbers of variance one. */
#include "clamp.h"
#include "inverse_square_root.h"

struct midge_layer_norm {
    int32_t rows, length;
    int32_t variance_bits, normal_bits; /* fraction bits of both; the first is even */
    int64_t epsilon;                    /* in the variance's units */
    struct midge_factors factors;       /* from the sum with beta to the output */
    int32_t y_zero;
};

/* From length * x - sum to fraction bits of a normalised element: a multiplier under 2^30 and a shift from 4 to 45.
   squares: the row's sum of x * x. What is shifted stays under 2^62. */
MIDGE_KERNEL struct midge_factor midge_layer_norm_factor(
    int32_t sum, int64_t squares, const struct midge_layer_norm *p) {
    const int64_t variance = p->length * squares - (int64_t)sum * sum, least = (int64_t)1 << p->variance_bits;
    int64_t held = variance * least + p->epsilon;
    int32_t pairs = 0;
    /* The least variance of elements that differ; where all are equal, so are the results. */
    held = held < least ? least : held;
#pragma GCC unroll 1
    while (held >= (int64_t)1 << 31) {
        held >>= 2;
        pairs++;
    }
#pragma GCC unroll 1
    while (held < (int64_t)1 << 29) {
        held *= 4;
        pairs--;
    }
    struct midge_factor factor = midge_inverse_square_root((int32_t)held);
    factor.shift += 31 + pairs - p->variance_bits / 2 - p->normal_bits;
    return factor;
}

MIDGE_KERNEL int32_t midge_layer_norm_element(int32_t difference, struct midge_factor factor) {
    const int64_t half = (int64_t)1 << (factor.shift - 1);
    return (int32_t)(((int64_t)difference * factor.multiplier + half) >> factor.shift);
}
