/* div, float32: the quotient, correctly rounded. */
#include "float32.h"
#include "broadcast.h"
#include "clamp.h"
#include "float_math.h"

struct midge_div_f32 {
    struct midge_broadcast shape;
    float low, high;
};

MIDGE_KERNEL float midge_div_element_f32(float a, float b, const struct midge_div_f32 *p) {
    return midge_clamp_f32(midge_divide_f32(a, b), p->low, p->high);
}

MIDGE_BROADCAST_2(midge_div_f32, float, float, float, midge_div_f32, midge_div_element_f32)
