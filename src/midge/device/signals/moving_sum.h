/* The sum of the last `length` samples. `ring`: length elements, zeros at first. length * |x| < 2^31. */
#include "base.h"

MIDGE_KERNEL int32_t midge_moving_sum_s16(int16_t *ring, uint16_t *at, int32_t *sum, uint32_t length, int32_t x) {
    const uint32_t oldest = *at;
    *sum += x - ring[oldest];
    ring[oldest] = (int16_t)x;
    *at = (uint16_t)(oldest + 1u == length ? 0u : oldest + 1u);
    return *sum;
}

MIDGE_KERNEL int32_t midge_moving_sum_s32(int32_t *ring, uint16_t *at, int32_t *sum, uint32_t length, int32_t x) {
    const uint32_t oldest = *at;
    *sum += x - ring[oldest];
    ring[oldest] = (int32_t)x;
    *at = (uint16_t)(oldest + 1u == length ? 0u : oldest + 1u);
    return *sum;
}
