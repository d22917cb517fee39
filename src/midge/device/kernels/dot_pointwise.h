/* conv_2d of single pixels with generated tiles: pixels are widened side by side, some tiles at a time.
   flash .. flash_end: bias, weights and factors as the tile reads them; they are copied to `stage` unless it is NULL.
   columns: scratch of `chunk_tiles` times `tile_pixels` words for every two channels, channels rounded up to a
   multiple of 4.
   rest: scratch of `tile_pixels` output pixels, for a last tile that is not full; NULL where all are.
   fill: widens the pixels of whole tiles; NULL: here.
   The pixels of a chunk of tiles are widened before its outputs are written. */
#include "dot_widen.h"

struct midge_dot_pointwise {
    int32_t pixels, in_c, out_c;
    int32_t tile_pixels; /* pixels of a tile */
    int32_t tile_words;  /* of a tile's columns */
    int32_t chunk_tiles; /* tiles at a time */
};

MIDGE_KERNEL void midge_conv_2d_s8_dot_pointwise(
    const int8_t *x, int8_t *y, const uint32_t *flash, const uint32_t *flash_end, uint32_t *stage,
    uint32_t *columns, int8_t *rest, midge_dot_fill *fill, midge_dot_tile *tile, const struct midge_dot_pointwise *p) {
    const uint32_t *stream = midge_stage(flash, flash_end, stage), *end = stream + (flash_end - flash);
    const int32_t chunk = p->chunk_tiles * p->tile_pixels;
    for (int32_t pixel = 0; pixel < p->pixels; pixel += chunk) {
        const int32_t count = midge_min(chunk, p->pixels - pixel);
        const int32_t tiles = count / p->tile_pixels, whole = tiles * p->tile_pixels;
        int32_t done = 0;
        if (fill != NULL && tiles > 0) {
            fill(x, columns, p->in_c, tiles);
            done = whole;
        }
        for (; done < count; done++) {
            uint32_t *column = columns + done / p->tile_pixels * p->tile_words + done % p->tile_pixels;
            midge_widen_pixel(x + done * p->in_c, p->in_c, column, p->tile_pixels);
        }
        x += count * p->in_c;
        if (tiles > 0) {
            tile(columns, stream, y, end, tiles, p->out_c);
        }
        if (rest != NULL && whole < count) {
            tile(columns + tiles * p->tile_words, stream, rest, end, 1, p->out_c);
            MIDGE_COPY(y + whole * p->out_c, rest, (count - whole) * p->out_c);
        }
        y += count * p->out_c;
    }
}
