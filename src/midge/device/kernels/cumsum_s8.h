/* cumsum, int8. Sums are exact, and start from minus the input's zero point. */
#include "cumsum.h"
#include "requantize.h"

/* A doubling high multiply of sum * 2^19, and a rounding shift, in 64 bits; |sum| < 2^28. */
MIDGE_KERNEL int8_t midge_cumsum_rescale(int32_t sum, const struct midge_cumsum *p) {
    const int64_t high = ((int64_t)sum * p->multiplier + (1 << 11)) >> 12;
    const int64_t mask = ((int64_t)1 << p->shift) - 1;
    const int64_t threshold = (mask >> 1) + (high < 0 ? 1 : 0);
    const int64_t scaled = (high >> p->shift) + ((high & mask) > threshold ? 1 : 0);
    return midge_clamp_s8(midge_hold(scaled) + p->y_zero, INT8_MIN, INT8_MAX);
}

MIDGE_CUMSUM_KERNEL(midge_cumsum_s8, int8_t, int32_t, -p->x_zero, x[at] - p->x_zero, midge_cumsum_rescale(sum, p))
