/* prelu, int8 and int16 with int8 slopes: what is negative is multiplied by its slope; either branch is rescaled. */
#include "broadcast.h"
#include "clamp.h"
#include "requantize.h"

struct midge_prelu {
    struct midge_broadcast shape;
    int32_t x_zero, slope_zero;
    struct midge_factors kept, product;
    int32_t y_zero, low, high;
};

MIDGE_KERNEL int32_t midge_prelu_element(int32_t x, int32_t slope, const struct midge_prelu *p) {
    const int32_t centred = x - p->x_zero;
    if (centred >= 0) {
        return midge_rescale(centred, midge_factor_of(&p->kept, 0), &p->kept) + p->y_zero;
    }
    const int32_t product = centred * (slope - p->slope_zero);
    return midge_rescale(product, midge_factor_of(&p->product, 0), &p->product) + p->y_zero;
}

MIDGE_KERNEL int8_t midge_prelu_element_s8(int8_t x, int8_t slope, const struct midge_prelu *p) {
    return midge_clamp_s8(midge_prelu_element(x, slope, p), p->low, p->high);
}

MIDGE_KERNEL int16_t midge_prelu_element_s16(int16_t x, int8_t slope, const struct midge_prelu *p) {
    return midge_clamp_s16(midge_prelu_element(x, slope, p), p->low, p->high);
}

MIDGE_BROADCAST_2(midge_prelu_s8, int8_t, int8_t, int8_t, midge_prelu, midge_prelu_element_s8)
MIDGE_BROADCAST_2(midge_prelu_s16, int16_t, int8_t, int16_t, midge_prelu, midge_prelu_element_s16)
