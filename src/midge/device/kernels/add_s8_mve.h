/* add and sub, int8, with Helium: four elements of two operands of one shape at a time. */
#include "rescale_mve.h"

/* An operand is brought to twice the larger of the two scales. */
struct midge_operand_mve {
    int32_t gain, offset; /* of its codes: shifted left, the zero point taken off */
    int is_halved;        /* 1: it has the larger scale, and its gain is half of what it would be: nothing is rounded */
    int32_t multiplier, shift;
};

struct midge_add_mve {
    int32_t count;
    int is_difference, is_double;
    struct midge_operand_mve a, b;
    int32_t multiplier, shift; /* of the result */
    int is_tie_seen;
    int32_t y_zero, low, high;
};

MIDGE_KERNEL int32x4_t midge_operand_mve(int32x4_t codes, const struct midge_operand_mve *operand, int is_double) {
    const int32x4_t shifted = vaddq_n_s32(vmulq_n_s32(codes, operand->gain), operand->offset);
    if (operand->is_halved) {
        return shifted;
    }
    return midge_rescale_by_one_mve(shifted, operand->multiplier, operand->shift, is_double, 1);
}

MIDGE_KERNEL int32x4_t midge_add_four_mve(int32x4_t a, int32x4_t b, const struct midge_add_mve *p) {
    const int32x4_t left = midge_operand_mve(a, &p->a, p->is_double);
    const int32x4_t right = midge_operand_mve(b, &p->b, p->is_double);
    const int32x4_t sums = p->is_difference ? vsubq_s32(left, right) : vaddq_s32(left, right);
    const int32x4_t numbers = midge_rescale_by_one_mve(sums, p->multiplier, p->shift, p->is_double, p->is_tie_seen);
    return midge_clamp_mve(vaddq_n_s32(numbers, p->y_zero), p->low, p->high);
}

MIDGE_KERNEL void midge_add_s8_mve(const int8_t *a, const int8_t *b, int8_t *y, const struct midge_add_mve *p) {
    for (int32_t i = 0; i < p->count / 4; i++) {
        vstrbq_s32(y, midge_add_four_mve(vldrbq_s32(a), vldrbq_s32(b), p));
        a += 4;
        b += 4;
        y += 4;
    }
    const mve_pred16_t rest = vctp32q((uint32_t)p->count % 4);
    if (p->count % 4 != 0) {
        vstrbq_p_s32(y, midge_add_four_mve(vldrbq_z_s32(a, rest), vldrbq_z_s32(b, rest), p), rest);
    }
}
