/* Which taps of a window meet the image. */
#include "window.h"

struct midge_taps {
    int32_t first, end;
};

/* Taps k with origin + k * dilation in [0, extent). Where every window lies inside (`inside` is 1) there is nothing
   to test. */
MIDGE_KERNEL struct midge_taps midge_taps_inside(
    int32_t origin, int32_t taps, int32_t dilation, int32_t extent, int inside) {
    struct midge_taps range = {0, taps};
    if (!inside) {
        while (range.first < taps && origin + range.first * dilation < 0) {
            range.first++;
        }
        while (range.end > range.first && origin + (range.end - 1) * dilation >= extent) {
            range.end--;
        }
    }
    return range;
}
