/* Clamps to [low, high] of other types than int8. */
#include "base.h"

MIDGE_KERNEL int16_t midge_clamp_s16(int32_t value, int32_t low, int32_t high) {
    return (int16_t)midge_min(midge_max(value, low), high);
}

/* What is not a number stays so, and a zero keeps its sign. */
MIDGE_KERNEL float midge_clamp_f32(float value, float low, float high) {
    const float raised = value < low ? low : value;
    return high < raised ? high : raised;
}
