/* average_pool_2d and max_pool_2d of integers, portable C. Sums fit int32: `check` has seen to that. */
#include "clamp.h"
#include "pool_2d.h"

struct midge_pool_2d {
    struct midge_window window;
    int32_t low, high;
};

/* sum / count, rounded half away from zero. */
MIDGE_KERNEL int32_t midge_mean(int32_t sum, int32_t count) {
    return sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
}

MIDGE_POOL_2D_KERNEL(
    midge_average_pool_2d_s8, midge_pool_2d, int8_t, int32_t, 0, held + tap,
    midge_clamp_s8(midge_mean(held, midge_area(rows, columns)), p->low, p->high))

MIDGE_POOL_2D_KERNEL(
    midge_average_pool_2d_s16, midge_pool_2d, int16_t, int32_t, 0, held + tap,
    midge_clamp_s16(midge_mean(held, midge_area(rows, columns)), p->low, p->high))

MIDGE_POOL_2D_KERNEL(
    midge_max_pool_2d_s8, midge_pool_2d, int8_t, int32_t, INT8_MIN, midge_max(held, tap),
    midge_clamp_s8(held, p->low, p->high))

MIDGE_POOL_2D_KERNEL(
    midge_max_pool_2d_s16, midge_pool_2d, int16_t, int32_t, INT16_MIN, midge_max(held, tap),
    midge_clamp_s16(held, p->low, p->high))
