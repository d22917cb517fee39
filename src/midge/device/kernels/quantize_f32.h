/* quantize, float32 to integers: divided by the scale, rounded to nearest, halfway cases away from zero or to even, held
   within the type; what is not a number becomes the zero point. An element is read before it is written. */
#include "any_type.h"
#include "clamp.h"
#include "float_math.h"

struct midge_quantize {
    int32_t size, y_zero;
    int half_even;
    float scale, low, high; /* low and high: the type's ends less the zero point */
};

MIDGE_KERNEL int32_t midge_quantize_element(float x, const struct midge_quantize *p) {
    const float scaled = midge_divide_f32(x, p->scale);
    const float rounded = p->half_even ? midge_round_half_even_f32(scaled) : midge_round_half_away_f32(scaled);
    const float steps = midge_clamp_f32(rounded, p->low, p->high);
    return (steps != steps ? 0 : (int32_t)steps) + p->y_zero;
}

#define MIDGE_QUANTIZE(name, to)                                                                                       \
    MIDGE_KERNEL void name(const midge_any_f32 *x, to *y, const struct midge_quantize *p) {                            \
        for (int32_t i = 0; i < p->size; i++) {                                                                        \
            y[i] = (to)midge_quantize_element(x[i], p);                                                                \
        }                                                                                                              \
    }

MIDGE_QUANTIZE(midge_quantize_f32_s8, int8_t)
MIDGE_QUANTIZE(midge_quantize_f32_s16, midge_any_s16)
