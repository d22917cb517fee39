/* From 64-bit sums: multiply by multiplier * 2^-shift, with a multiplier of 15 bits, 0 or in [2^14, 2^15). */
#include "base.h"

/* The factors of a layer. A word is multiplier | shift << 16, with a shift in [8, 46]. */
struct midge_factors_16x8 {
    const uint32_t *words; /* one a channel; NULL: one_word for all */
    uint32_t one_word;
    int narrow; /* 1: every sum lies in int32 and every shift is at least 17 */
};

MIDGE_KERNEL uint32_t midge_factor_word(const struct midge_factors_16x8 *factors, int32_t channel) {
    return factors->words != NULL ? factors->words[channel] : factors->one_word;
}

/* Rounded, ties up; |sum| < 2^47. What comes out lies in int32. */
MIDGE_KERNEL int32_t midge_rescale_16x8(int64_t sum, uint32_t word, const struct midge_factors_16x8 *factors) {
    const int32_t shift = (int32_t)(word >> 16);
    if (factors->narrow) {
        /* With a multiplier of 31 bits all that counts of the product is its upper word. */
        const int32_t high = (int32_t)(((int64_t)(int32_t)sum * (int32_t)(word << 16)) >> 32);
        return (high + (1 << (shift - 17))) >> (shift - 16);
    }
    return (int32_t)((sum * (int32_t)(word & 0xFFFFu) + ((int64_t)1 << (shift - 1))) >> shift);
}
