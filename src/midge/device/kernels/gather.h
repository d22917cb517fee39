/* gather: slices of an input, chosen by indices. Elements of any type go as units of 1, 2 or 4 bytes.
   An index that leads outside is clamped. Output slices are written in ascending order; input, indices and output
   do not overlap. */
#include "units.h"

struct midge_gather {
    int32_t batches, outer; /* slices that have indices of their own, and such that share them */
    int32_t size;           /* slices to choose from */
    int32_t count;          /* indices of a batch */
    int32_t units, unit;    /* of a slice; bytes of a unit */
    int32_t checked;        /* the indices are constants that are known to lie inside */
};

MIDGE_KERNEL void midge_gather(const void *input, const int32_t *indices, void *output, const struct midge_gather *p) {
    const uint8_t *x = (const uint8_t *)input;
    uint8_t *y = (uint8_t *)output;
    const int32_t bytes = p->units * p->unit;
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t o = 0; o < p->outer; o++) {
            for (int32_t i = 0; i < p->count; i++) {
                const int32_t index = indices[i];
                const int32_t at = p->checked ? index : midge_min(midge_max(index, 0), p->size - 1);
                midge_copy_units(x + at * bytes, y, p->units, p->unit);
                y += bytes;
            }
            x += p->size * bytes;
        }
        indices += p->count;
    }
}
