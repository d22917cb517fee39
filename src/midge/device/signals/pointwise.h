/* Stages without memory. */
#include "base.h"

/* value / 2^bits, rounded down; the shift of a negative number is the compiler's own affair in C99. */
MIDGE_KERNEL int32_t midge_shift_down(int32_t value, int32_t bits) {
    return value >= 0 ? value >> bits : ~(~value >> bits);
}

/* value > INT32_MIN */
MIDGE_KERNEL int32_t midge_absolute(int32_t value) { return value < 0 ? -value : value; }

/* |value| <= 46340 */
MIDGE_KERNEL int32_t midge_square(int32_t value) { return value * value; }

MIDGE_KERNEL int32_t midge_saturate(int32_t value, int32_t limit) {
    return midge_min(midge_max(value, -limit), limit);
}
