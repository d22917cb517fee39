/* A sample less the one `lag` before. `ring`: lag elements, zeros at first. |x| < 2^30. */
#include "base.h"

MIDGE_KERNEL int32_t midge_difference_s16(int16_t *ring, uint16_t *at, uint32_t lag, int32_t x) {
    const uint32_t oldest = *at;
    const int32_t before = ring[oldest];
    ring[oldest] = (int16_t)x;
    *at = (uint16_t)(oldest + 1u == lag ? 0u : oldest + 1u);
    return x - before;
}

MIDGE_KERNEL int32_t midge_difference_s32(int32_t *ring, uint16_t *at, uint32_t lag, int32_t x) {
    const uint32_t oldest = *at;
    const int32_t before = ring[oldest];
    ring[oldest] = (int32_t)x;
    *at = (uint16_t)(oldest + 1u == lag ? 0u : oldest + 1u);
    return x - before;
}
