/* `length` times the sample `delay` before less the sum of the last `length`. `ring`: length elements, zeros at first;
   delay < length; 2 * length * |x| < 2^31. */
#include "base.h"

MIDGE_KERNEL int32_t midge_remove_mean_s16(int16_t *ring, uint16_t *at, int32_t *sum, uint32_t length, uint32_t delay,
                                          int32_t x) {
    const uint32_t newest = *at;
    *sum += x - ring[newest];
    ring[newest] = (int16_t)x;
    *at = (uint16_t)(newest + 1u == length ? 0u : newest + 1u);
    const uint32_t middle = newest >= delay ? newest - delay : newest + length - delay;
    return (int32_t)length * ring[middle] - *sum;
}

MIDGE_KERNEL int32_t midge_remove_mean_s32(int32_t *ring, uint16_t *at, int32_t *sum, uint32_t length, uint32_t delay,
                                          int32_t x) {
    const uint32_t newest = *at;
    *sum += x - ring[newest];
    ring[newest] = (int32_t)x;
    *at = (uint16_t)(newest + 1u == length ? 0u : newest + 1u);
    const uint32_t middle = newest >= delay ? newest - delay : newest + length - delay;
    return (int32_t)length * ring[middle] - *sum;
}
