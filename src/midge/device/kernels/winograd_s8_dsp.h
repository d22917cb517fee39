/* conv_2d of int8 by Winograd's F(m x m, 3 x 3): stride 1, any padding. Channels in: a multiple of 4; out: of 2.

   Tiles of m x m outputs are computed two at a time, side by side. A patch of the image, with what lies outside it
   filled in, is copied to scratch; two functions that are generated for the layer (midge.c_emitter.tiles.winograd)
   transform it, and multiply and transform back, where that is possible for two pairs of tiles at once. The last tiles
   end with the image, so some outputs are computed twice; where a tile is larger than the image, it is cut. Patches
   are copied before any of their outputs is written.

   Scratch: up to 8 bytes, so that records stand on 16; records; then a patch, or outputs that are cut. */
#include "dsp.h"
#include "window.h"

/* What is copied from an image to a patch: bytes, multiples of 4. */
struct midge_winograd_rows {
    int32_t rows;                  /* at least 1; 0 afterwards */
    int32_t before, copied, after; /* of each row: filled, copied, filled */
    int32_t skipped;               /* of the image, from the end of a row to the next */
    uint32_t fill;
};

/* The functions that are generated. */
struct midge_winograd_tiles {
    void (*gather)(int8_t *patch, const int8_t *image, struct midge_winograd_rows *rows);
    void (*transform)(const int8_t *patch, uint32_t *records);
    void (*multiply)(uint32_t *records, const uint32_t *stream, int8_t *y, int8_t *next_y);
};

struct midge_winograd {
    struct midge_window window;
    int32_t x_zero;
    int32_t tile;          /* m */
    int32_t records_bytes; /* a multiple of 8 */
    int32_t row_bytes;     /* from an output to the one below it, also where a pair of tiles is wider than the image */
    int32_t pairs;         /* of tiles that are computed at once, 1 or 2; an image has a multiple of it */
    int32_t pair_words;    /* from a record of one pair to that of the next */
    struct midge_winograd_tiles tiles;
};

/* The patch [m + 2][2 * m + 2][in_c] whose first pixel is (top, left) of the image, or outside it. */
MIDGE_KERNEL void midge_winograd_patch(
    const int8_t *image, int8_t *patch, int32_t top, int32_t left, const struct midge_winograd *p) {
    const struct midge_window *w = &p->window;
    const int32_t height = p->tile + 2, width = 2 * p->tile + 2;
    /* The rows and columns of the patch that lie inside the image. */
    const int32_t row = midge_min(midge_max(-top, 0), height);
    const int32_t row_end = midge_max(midge_min(w->in_h - top, height), row);
    const int32_t column = midge_min(midge_max(-left, 0), width);
    const int32_t column_end = midge_max(midge_min(w->in_w - left, width), column);
    const uint32_t fill = (uint32_t)(uint8_t)p->x_zero * 0x01010101u;
    const int32_t row_bytes = width * w->in_c;
    if (row > 0) {
        struct midge_winograd_rows above = {row, row_bytes, 0, 0, 0, fill};
        p->tiles.gather(patch, image, &above);
    }
    if (row_end > row) {
        struct midge_winograd_rows inside = {
            row_end - row,
            column * w->in_c,
            (column_end - column) * w->in_c,
            (width - column_end) * w->in_c,
            (w->in_w - column_end + column) * w->in_c,
            fill};
        p->tiles.gather(patch + row * row_bytes, image + ((top + row) * w->in_w + left + column) * w->in_c, &inside);
    }
    if (height > row_end) {
        struct midge_winograd_rows below = {height - row_end, row_bytes, 0, 0, 0, fill};
        p->tiles.gather(patch + row_end * row_bytes, image, &below);
    }
}

/* Of a pair of tiles, the outputs that lie inside the image, two bytes at a time. `y` is the first of them. */
MIDGE_KERNEL void midge_winograd_cut(const int8_t *pair, int8_t *y, const struct midge_winograd *p) {
    const struct midge_window *w = &p->window;
    const int32_t rows = midge_min(w->out_h, p->tile), columns = midge_min(w->out_w, 2 * p->tile);
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t i = 0; i < columns * w->out_c; i += 2) {
            MIDGE_COPY(y + i, pair + i, 2);
        }
        y += w->out_w * w->out_c;
        pair += p->row_bytes;
    }
}

MIDGE_KERNEL void midge_winograd_s8(
    const int8_t *x, int8_t *y, const uint32_t *stream, uint8_t *scratch, const struct midge_winograd *p) {
    const struct midge_window *w = &p->window;
    const int32_t height = p->tile, width = 2 * p->tile;
    uint8_t *aligned = scratch + (-(uintptr_t)scratch & 15u);
    uint32_t *records = (uint32_t *)(void *)aligned;
    int8_t *patch = (int8_t *)(aligned + p->records_bytes);
    const int is_cut = w->out_h < height || w->out_w < width;
    for (int32_t batch = 0; batch < w->batches; batch++) {
        int32_t row = 0, column = 0;
        while (row < w->out_h) {
            int8_t *targets[2] = {NULL, NULL};
            for (int32_t pair = 0; pair < p->pairs; pair++) {
                const int32_t top = midge_max(midge_min(row, w->out_h - height), 0);
                const int32_t left = midge_max(midge_min(column, w->out_w - width), 0);
                targets[pair] = y + (top * w->out_w + left) * w->out_c;
                midge_winograd_patch(x, patch, top - w->pad_top, left - w->pad_left, p);
                p->tiles.transform(patch, records + pair * p->pair_words);
                column += width;
                if (column >= w->out_w) {
                    column = 0;
                    row += height;
                }
            }
            if (is_cut) {
                p->tiles.multiply(records, stream, patch, NULL);
                midge_winograd_cut(patch, targets[0], p);
            } else {
                p->tiles.multiply(records, stream, targets[0], targets[1]);
            }
        }
        x += w->in_h * w->in_w * w->in_c;
        y += w->out_h * w->out_w * w->out_c;
    }
}
