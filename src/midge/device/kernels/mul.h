/* mul, int8 and int16: the product of centred operands, rescaled. */
#include "broadcast.h"
#include "clamp.h"
#include "requantize.h"

struct midge_mul {
    struct midge_broadcast shape;
    int32_t a_zero, b_zero; /* both 0 for int16 */
    struct midge_factors product;
    int32_t y_zero, low, high;
};

MIDGE_KERNEL int32_t midge_mul_element(int32_t a, int32_t b, const struct midge_mul *p) {
    const int32_t product = (a - p->a_zero) * (b - p->b_zero);
    return midge_rescale(product, midge_factor_of(&p->product, 0), &p->product) + p->y_zero;
}

MIDGE_KERNEL int8_t midge_mul_element_s8(int8_t a, int8_t b, const struct midge_mul *p) {
    return midge_clamp_s8(midge_mul_element(a, b, p), p->low, p->high);
}

MIDGE_KERNEL int16_t midge_mul_element_s16(int16_t a, int16_t b, const struct midge_mul *p) {
    return midge_clamp_s16(midge_mul_element(a, b, p), p->low, p->high);
}

MIDGE_BROADCAST_2(midge_mul_s8, int8_t, int8_t, int8_t, midge_mul, midge_mul_element_s8)
MIDGE_BROADCAST_2(midge_mul_s16, int16_t, int16_t, int16_t, midge_mul, midge_mul_element_s16)
