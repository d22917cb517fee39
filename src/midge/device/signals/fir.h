/* A symmetric impulse response of `count` taps. `ring`: count elements, zeros at first. |x| * sum of |taps| < 2^31. */
#include "base.h"

MIDGE_KERNEL int32_t midge_fir_s16(int16_t *ring, uint16_t *at, uint32_t count, const int16_t *taps, int32_t x) {
    uint32_t place = *at;
    int32_t sum = 0;
    ring[place] = (int16_t)x;
    *at = (uint16_t)(place + 1u == count ? 0u : place + 1u);
    for (uint32_t k = 0; k < count; k++) {
        sum += taps[k] * ring[place];
        place = place == 0u ? count - 1u : place - 1u;
    }
    return sum;
}

MIDGE_KERNEL int32_t midge_fir_s32(int32_t *ring, uint16_t *at, uint32_t count, const int16_t *taps, int32_t x) {
    uint32_t place = *at;
    int32_t sum = 0;
    ring[place] = (int32_t)x;
    *at = (uint16_t)(place + 1u == count ? 0u : place + 1u);
    for (uint32_t k = 0; k < count; k++) {
        sum += taps[k] * ring[place];
        place = place == 0u ? count - 1u : place - 1u;
    }
    return sum;
}
