/* Integers rescaled with one factor at and above the zero point and one below, then clamped. An element is read
   before it is written. */
#include "any_type.h"
#include "requantize.h"

struct midge_piece {
    struct midge_factors factors;
    int negate_input, negate_result; /* of what is rescaled, of what comes out */
};

struct midge_piecewise {
    int32_t size, x_zero, y_zero, low, high;
    int straight; /* `above` holds throughout */
    struct midge_piece above, below;
};

MIDGE_KERNEL int32_t midge_piece_value(int32_t v, const struct midge_piece *piece) {
    const int32_t input = piece->negate_input ? (int32_t)(0u - (uint32_t)v) : v;
    const int32_t scaled = midge_rescale(input, midge_factor_of(&piece->factors, 0), &piece->factors);
    return piece->negate_result ? -scaled : scaled;
}

MIDGE_KERNEL int32_t midge_piecewise_element(int32_t x, const struct midge_piecewise *p) {
    /* A difference of int32 wraps around, as on every runtime. */
    const int32_t v = (int32_t)((uint32_t)x - (uint32_t)p->x_zero);
    const int32_t scaled =
        p->straight || v >= 0 ? midge_piece_value(v, &p->above) : midge_piece_value(v, &p->below);
    if (p->high == INT32_MAX) {
        const int64_t sum = (int64_t)scaled + p->y_zero;
        return sum < INT32_MIN ? INT32_MIN : sum > INT32_MAX ? INT32_MAX : (int32_t)sum;
    }
    return midge_min(midge_max(scaled + p->y_zero, p->low), p->high);
}

#define MIDGE_PIECEWISE(name, from, to)                                                                                \
    MIDGE_KERNEL void name(const from *x, to *y, const struct midge_piecewise *p) {                                    \
        for (int32_t i = 0; i < p->size; i++) {                                                                        \
            y[i] = (to)midge_piecewise_element(x[i], p);                                                               \
        }                                                                                                              \
    }

MIDGE_PIECEWISE(midge_piecewise_s16_s16, midge_any_s16, midge_any_s16)
MIDGE_PIECEWISE(midge_piecewise_s16_s8, midge_any_s16, int8_t)
MIDGE_PIECEWISE(midge_piecewise_s16_s32, midge_any_s16, midge_any_s32)
MIDGE_PIECEWISE(midge_piecewise_s8_s16, int8_t, midge_any_s16)
MIDGE_PIECEWISE(midge_piecewise_s8_s32, int8_t, midge_any_s32)
MIDGE_PIECEWISE(midge_piecewise_s32_s8, midge_any_s32, int8_t)
MIDGE_PIECEWISE(midge_piecewise_s32_s16, midge_any_s32, midge_any_s16)
