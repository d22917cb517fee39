/* not: a byte that is 0 becomes 1, any other 0. An element is read before it is written. */
#include "base.h"

struct midge_logical_not {
    int32_t size;
};

MIDGE_KERNEL void midge_logical_not_u8(const uint8_t *x, uint8_t *y, const struct midge_logical_not *p) {
    for (int32_t i = 0; i < p->size; i++) {
        y[i] = x[i] == 0;
    }
}
