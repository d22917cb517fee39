/* A signal less its first sample, clamped to +-limit. */
#include "pointwise.h"

MIDGE_KERNEL int32_t midge_start_at_zero(int32_t *first, uint8_t *started, int32_t limit, int32_t x) {
    if (!*started) {
        *started = 1;
        *first = x;
    }
    return midge_saturate(x - *first, limit);
}
