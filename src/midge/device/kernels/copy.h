/* Bytes from one place to another: reading and assigning variables. */
#include "base.h"

struct midge_copy {
    int32_t size;
};

MIDGE_KERNEL void midge_copy_bytes(const void *x, void *y, const struct midge_copy *p) {
    MIDGE_COPY(y, x, p->size);
}
