/* add, sub, mul, squared_difference and prelu, float32: single IEEE operations. */
#include "float32.h"
#include "arithmetic.h"
#include "broadcast.h"
#include "clamp.h"

struct midge_arithmetic_f32 {
    struct midge_broadcast shape;
    enum midge_arithmetic operation;
    float low, high; /* of the first three */
};

MIDGE_KERNEL float midge_arithmetic_element_f32(float a, float b, const struct midge_arithmetic_f32 *p) {
    switch (p->operation) {
    case MIDGE_ADDITION:
        return midge_clamp_f32(a + b, p->low, p->high);
    case MIDGE_SUBTRACTION:
        return midge_clamp_f32(a - b, p->low, p->high);
    case MIDGE_MULTIPLICATION:
        return midge_clamp_f32(a * b, p->low, p->high);
    case MIDGE_SQUARED_SUBTRACTION: {
        const float difference = a - b;
        return difference * difference;
    }
    default: /* MIDGE_PARAMETRIC_RELU */
        return a >= 0.0f ? a : a * b;
    }
}

MIDGE_BROADCAST_2(midge_arithmetic_f32, float, float, float, midge_arithmetic_f32, midge_arithmetic_element_f32)
