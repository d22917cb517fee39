/* One step of a tree of octaves: a half-band low-pass keeps the lower half of the frequencies at half the rate, and
   what it leaves of the middle sample is the upper half. */
#include "pointwise.h"

/* The next sample; whether there is an output, which every second one has. `ring`: 32 elements, zeros at first: each
   sample stands in it twice, so that the last 16 always lie in a row. |x| <= 32768. |low| <= 32767, |high| < 2^16. */
MIDGE_KERNEL int midge_half_band(int16_t *ring, uint32_t *at, int32_t x, int32_t *low, int32_t *high) {
    const uint32_t now = *at;
    const int16_t *last = ring + now + 1u; /* the oldest of 16 */
    ring[now] = (int16_t)x;
    ring[now + 16u] = (int16_t)x;
    *at = (now + 1u) & 15u;
    if ((now & 1u) == 0u) {
        return 0;
    }
    const int32_t sum = -27 * (last[1] + last[15]) + 282 * (last[3] + last[13]) - 1132 * (last[5] + last[11]) +
                        4973 * (last[7] + last[9]) + 8192 * last[8] + 8192;
    *low = midge_saturate(midge_shift_down(sum, 14), 32767);
    *high = last[8] - *low;
    return 1;
}
