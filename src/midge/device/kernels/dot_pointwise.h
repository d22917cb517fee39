/* conv_2d of single pixels with generated tiles: pixels are widened side by side, some at a time.
   stream .. end: bias, weights and factors as the tile reads them.
   columns: scratch of `tile_pixels` words for every two channels, channels rounded up to a multiple of 4.
   rest: scratch of `tile_pixels` output pixels, for a last tile that is not full; NULL where all are.
   A tile's pixels are widened before its outputs are written. */
#include "dot_widen.h"

struct midge_dot_pointwise {
    int32_t pixels, in_c, out_c;
    int32_t tile_pixels; /* pixels of a tile */
};

MIDGE_KERNEL void midge_conv_2d_s8_dot_pointwise(
    const int8_t *x, int8_t *y, const uint32_t *stream, const uint32_t *end, uint32_t *columns, int8_t *rest,
    midge_dot_tile *tile, const struct midge_dot_pointwise *p) {
    for (int32_t pixel = 0; pixel < p->pixels; pixel += p->tile_pixels) {
        const int32_t count = midge_min(p->tile_pixels, p->pixels - pixel);
        for (int32_t i = 0; i < count; i++) {
            midge_widen_pixel(x, p->in_c, columns + i, p->tile_pixels);
            x += p->in_c;
        }
        if (rest == NULL || count == p->tile_pixels) {
            tile(columns, stream, y, end);
        } else {
            tile(columns, stream, rest, end);
            MIDGE_COPY(y, rest, count * p->out_c);
        }
        y += count * p->out_c;
    }
}
