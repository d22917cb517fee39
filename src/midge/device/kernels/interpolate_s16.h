/* Any function of int16: 512 straight lines of 128 codes each, between the 513 entries of a table. An element is read
   before it is written. */
#include "base.h"

struct midge_interpolate {
    int32_t size;
};

MIDGE_KERNEL void midge_interpolate_s16(const int16_t *x, const int16_t *table, int16_t *y,
                                        const struct midge_interpolate *p) {
    for (int32_t i = 0; i < p->size; i++) {
        const int32_t code = x[i] + 32768;
        const int16_t *entry = table + (code >> 7);
        y[i] = (int16_t)(entry[0] + (((entry[1] - entry[0]) * (code & 0x7F) + 64) >> 7));
    }
}
