/* What the parts of a learner in fixed point stand on. The emitted file defines its sizes and settings (MIDGE_CHANNELS,
   ...) before it, and `MIDGE_LEARNER` as its state. Each part does what the function of that name does in Midge's NumPy
   twin, in the same integers.

   Numbers: samples of the user are whole steps; what is normalised, errors in mean errors, and evidence have 20 places
   behind the point (Q20), coefficients 22, gains 18, factors of covariances, means, variances, mean errors and shares of a
   mix 24, squared errors 27, shares of ticks 29, rates 31, credit 16. Half rounds up; what is too large stops at
   MIDGE_LIMIT. */
#include "learner_places.h"
#include "fixed_arithmetic.h"

#define MIDGE_ONE INT32_C(0x100000) /* Q20 */

/* The larger of 1 / count and the slowest rate, Q31; count > 0. */
MIDGE_KERNEL int32_t midge_rate(int32_t count, int32_t slowest) {
    const uint32_t rate = 0x80000000u / (uint32_t)count;
    return midge_max(rate > INT32_MAX ? INT32_MAX : (int32_t)rate, slowest);
}

/* What means are rounded by at a tick: another part of one each time, so that they neither stick nor lean. */
MIDGE_KERNEL uint32_t midge_dither(const MIDGE_LEARNER *s) { return (uint32_t)s->counters[MIDGE_TICKS] * 0x9E3779B9u >> 1; }

/* Where a mean goes from `mean`, at most MIDGE_LIMIT from `seen`, at a rate. */
MIDGE_KERNEL int32_t midge_towards(int32_t mean, int32_t seen, int32_t rate, uint32_t dither) {
    return mean + (int32_t)((midge_product(rate, seen - mean) + (int64_t)dither) >> 31);
}
