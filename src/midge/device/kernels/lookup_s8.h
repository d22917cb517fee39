/* Any function of one byte: y[i] is the table's entry at x[i], a byte without sign. An element is read before it is
   written. */
#include "base.h"

struct midge_lookup {
    int32_t size;
};

MIDGE_KERNEL void midge_lookup_s8(const void *x, const uint8_t *table, void *y, const struct midge_lookup *p) {
    const uint8_t *from = x;
    uint8_t *to = y;
    int32_t i = 0;
    for (; i + 4 <= p->size; i += 4) {
        const uint8_t a = table[from[i]], b = table[from[i + 1]], c = table[from[i + 2]], d = table[from[i + 3]];
        to[i] = a;
        to[i + 1] = b;
        to[i + 2] = c;
        to[i + 3] = d;
    }
    for (; i < p->size; i++) {
        to[i] = table[from[i]];
    }
}
