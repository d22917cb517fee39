/* Comparisons of int8: each operand is shifted left by 8, brought to reals and rounded, then compared. */
#include "compare.h"
#include "requantize.h"

struct midge_compare_s8 {
    struct midge_broadcast shape;
    enum midge_comparison comparison;
    int32_t a_zero, b_zero;
    struct midge_factors a, b; /* under 1 */
};

MIDGE_KERNEL int32_t midge_compare_operand(int32_t centred, const struct midge_factors *factors) {
    return midge_rescale(centred * 256, midge_factor_of(factors, 0), factors);
}

MIDGE_KERNEL uint8_t midge_compare_element_s8(int8_t a, int8_t b, const struct midge_compare_s8 *p) {
    const int32_t left = midge_compare_operand(a - p->a_zero, &p->a);
    const int32_t right = midge_compare_operand(b - p->b_zero, &p->b);
    return (uint8_t)MIDGE_COMPARE_NUMBERS(left, right, p->comparison);
}

MIDGE_BROADCAST_2(midge_compare_s8, int8_t, int8_t, uint8_t, midge_compare_s8, midge_compare_element_s8)
