/* conv_2d of any windows with generated tiles: a window is gathered, then widened beside those of its tile.
   flash .. flash_end: bias, weights and factors as the tile reads them; they are copied to `stage` unless it is NULL.
   columns: scratch of `tile_pixels` words for every two taps, taps rounded up to a multiple of 4.
   patch: scratch of the taps of one window, as bytes; with `band_w`, of the rows of a row of windows, with borders.
   rest: scratch of `tile_pixels` output pixels, for a last tile that is not full; NULL where all are.
   A tile's windows are gathered before its outputs are written. */
#include "dot_widen.h"
#include "window.h"

struct midge_dot_gather {
    struct midge_window window;
    int32_t tile_pixels; /* pixels of a tile */
    int32_t band_w;      /* columns of a row of windows, borders included, whose rows are then copied once; a row of a
                            window is a multiple of four bytes. 0: each window is gathered by itself */
    int32_t x_zero;
};

/* Rows of the image that the windows at `row` cover, between borders that stand there. */
MIDGE_KERNEL void midge_copy_band_s8(const int8_t *x, int32_t row, int8_t *band, const struct midge_dot_gather *p) {
    const struct midge_window *w = &p->window;
    const int32_t bytes = midge_min(w->in_w, p->band_w - w->pad_left) * w->in_c;
    int8_t *target = band + w->pad_left * w->in_c;
    for (int32_t i = 0; i < w->kernel_h; i++) {
        const int32_t y = row + i * w->dilation_h;
        if (y >= 0 && y < w->in_h) {
            MIDGE_COPY(target, x + y * w->in_w * w->in_c, bytes);
        } else {
            MIDGE_FILL(target, p->x_zero, bytes);
        }
        target += p->band_w * w->in_c;
    }
}

/* The window that begins at a column of the band. */
MIDGE_KERNEL void midge_widen_band_s8(
    const int8_t *band, uint32_t *column, const struct midge_dot_gather *p) {
    const struct midge_window *w = &p->window;
    const int32_t taps = w->kernel_w * w->in_c;
    for (int32_t i = 0; i < w->kernel_h; i++) {
        midge_widen_pixel(band, taps, column, p->tile_pixels);
        column += taps / 2 * p->tile_pixels;
        band += p->band_w * w->in_c;
    }
}

MIDGE_KERNEL void midge_conv_2d_s8_dot_gather(
    const int8_t *x, int8_t *y, const uint32_t *flash, const uint32_t *flash_end, uint32_t *stage,
    uint32_t *columns, int8_t *patch, int8_t *rest, midge_dot_tile *tile, const struct midge_dot_gather *p) {
    const uint32_t *stream = midge_stage(flash, flash_end, stage), *end = stream + (flash_end - flash);
    const struct midge_window *w = &p->window;
    const int32_t pixels = w->out_h * w->out_w;
    if (p->band_w > 0) {
        MIDGE_FILL(patch, p->x_zero, w->kernel_h * p->band_w * w->in_c);
    }
    for (int32_t n = 0; n < w->batches; n++) {
        int32_t row = -w->pad_top, column = -w->pad_left, left = w->out_w;
        for (int32_t pixel = 0; pixel < pixels; pixel += p->tile_pixels) {
            const int32_t count = midge_min(p->tile_pixels, pixels - pixel);
            for (int32_t i = 0; i < count; i++) {
                if (p->band_w > 0) {
                    if (column == -w->pad_left) {
                        midge_copy_band_s8(x, row, patch, p);
                    }
                    midge_widen_band_s8(patch + (column + w->pad_left) * w->in_c, columns + i, p);
                } else {
                    midge_gather_s8(x, w, row, column, 0, w->in_c, (int8_t)p->x_zero, patch);
                    midge_widen_pixel(patch, w->kernel_h * w->kernel_w * w->in_c, columns + i, p->tile_pixels);
                }
                column += w->stride_w;
                if (--left == 0) {
                    left = w->out_w;
                    column = -w->pad_left;
                    row += w->stride_h;
                }
            }
            if (rest == NULL || count == p->tile_pixels) {
                tile(columns, stream, y, end, 1, w->out_c);
            } else {
                tile(columns, stream, rest, end, 1, w->out_c);
                MIDGE_COPY(y, rest, count * w->out_c);
            }
            y += count * w->out_c;
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
