/* resize_nearest: each pixel of the output is the one that `rows` and `columns` name. Elements of any type go as units
   of 1, 2 or 4 bytes. The output is written in ascending order; input and output do not overlap. */
#include "units.h"

struct midge_resize_nearest {
    int32_t batches, in_h, in_w, out_h, out_w;
    int32_t units, unit; /* of a pixel; bytes of a unit */
};

MIDGE_KERNEL void midge_resize_nearest(
    const void *input, const uint16_t *rows, const uint16_t *columns, void *output,
    const struct midge_resize_nearest *p) {
    const uint8_t *image = (const uint8_t *)input;
    uint8_t *y = (uint8_t *)output;
    const int32_t bytes = p->units * p->unit;
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t i = 0; i < p->out_h; i++) {
            const uint8_t *row = image + rows[i] * p->in_w * bytes;
            for (int32_t j = 0; j < p->out_w; j++) {
                midge_copy_units(row + columns[j] * bytes, y, p->units, p->unit);
                y += bytes;
            }
        }
        image += p->in_h * p->in_w * bytes;
    }
}
