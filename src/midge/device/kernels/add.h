/* add, sub and squared_difference, int8 and int16: both operands are shifted left, brought to one scale and rounded,
   then combined; the result is rescaled. */
#include "broadcast.h"
#include "clamp.h"
#include "requantize.h"

enum midge_combination { MIDGE_SUM, MIDGE_DIFFERENCE, MIDGE_SQUARED_DIFFERENCE };

struct midge_add {
    struct midge_broadcast shape;
    enum midge_combination combination;
    int32_t a_zero, b_zero, left_shift; /* no shifted operand leaves int32, and no square of their difference */
    struct midge_factors a, b, result;  /* those of a and b are at most 1/2 */
    int32_t y_zero, low, high;
};

MIDGE_KERNEL int32_t midge_shift_and_rescale(int32_t centred, int32_t left_shift, const struct midge_factors *factors) {
    if (factors->one_multiplier == 1 << 30 && factors->base_shift == 0 && left_shift > 0) {
        /* The operand of the larger scale is halved, which leaves nothing to round. */
        return (int32_t)((uint32_t)centred << (left_shift - 1));
    }
    return midge_rescale((int32_t)((uint32_t)centred << left_shift), midge_factor_of(factors, 0), factors);
}

MIDGE_KERNEL int32_t midge_add_element(int32_t a, int32_t b, const struct midge_add *p) {
    const int32_t scaled_a = midge_shift_and_rescale(a - p->a_zero, p->left_shift, &p->a);
    const int32_t scaled_b = midge_shift_and_rescale(b - p->b_zero, p->left_shift, &p->b);
    const int32_t right = p->combination == MIDGE_SUM ? scaled_b : -scaled_b;
    const int32_t sum = scaled_a + right;
    const int32_t result = p->combination == MIDGE_SQUARED_DIFFERENCE ? sum * sum : sum;
    return midge_rescale(result, midge_factor_of(&p->result, 0), &p->result) + p->y_zero;
}

MIDGE_KERNEL int8_t midge_add_element_s8(int8_t a, int8_t b, const struct midge_add *p) {
    return midge_clamp_s8(midge_add_element(a, b, p), p->low, p->high);
}

MIDGE_KERNEL int16_t midge_add_element_s16(int16_t a, int16_t b, const struct midge_add *p) {
    return midge_clamp_s16(midge_add_element(a, b, p), p->low, p->high);
}

MIDGE_BROADCAST_2(midge_add_s8, int8_t, int8_t, int8_t, midge_add, midge_add_element_s8)
MIDGE_BROADCAST_2(midge_add_s16, int16_t, int16_t, int16_t, midge_add, midge_add_element_s16)
