/* mean, sum, reduce_max and reduce_min of integers, reduce_all. Sums fit int32: `check` has seen to that. */
#include "clamp.h"
#include "reductions.h"

/* A mean's factor has the division in it. */
MIDGE_KERNEL int32_t midge_reduction_rescale(int32_t sum, const struct midge_reduction *p) {
    return midge_rescale(sum, midge_factor_of(&p->factors, 0), &p->factors) + p->y_zero;
}

MIDGE_REDUCTION_KERNEL(
    midge_sum_s8, int8_t, int32_t, p->start, held + term,
    midge_clamp_s8(midge_reduction_rescale(held, p), INT8_MIN, INT8_MAX))
MIDGE_REDUCTION_KERNEL(
    midge_sum_s16, int16_t, int32_t, p->start, held + term,
    midge_clamp_s16(midge_reduction_rescale(held, p), INT16_MIN, INT16_MAX))

MIDGE_REDUCTION_KERNEL(midge_reduce_max_s8, int8_t, int8_t, INT8_MIN, term > held ? term : held, held)
MIDGE_REDUCTION_KERNEL(midge_reduce_max_s16, int16_t, int16_t, INT16_MIN, term > held ? term : held, held)
MIDGE_REDUCTION_KERNEL(midge_reduce_min_s8, int8_t, int8_t, INT8_MAX, term < held ? term : held, held)
MIDGE_REDUCTION_KERNEL(midge_reduce_min_s16, int16_t, int16_t, INT16_MAX, term < held ? term : held, held)

/* Bytes of 0 or 1. */
MIDGE_REDUCTION_KERNEL(midge_reduce_all_u8, uint8_t, uint8_t, 1, term & held, held)
