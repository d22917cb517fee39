/* conv_2d and fully_connected, int8, with Helium: two windows at a time, by generated tiles.
   stream: weights and records in the order in which the tiles read them; see tiles/helium.py.
   patch: scratch for two windows, unless they can be read where they stand. */
#include "dsp.h"
#include "gather_mve.h"

typedef void midge_windows_tile(const int8_t *x0, const int8_t *x1, int8_t *y, const int8_t *stream);

struct midge_windows_mve {
    struct midge_window window;
    int in_place; /* 1: a window is one pixel of the image, a multiple of 16 bytes */
    int inside; /* 1: every window lies inside the image */
    int32_t x_zero;
    midge_windows_tile *pair;   /* NULL where there is but one window */
    midge_windows_tile *single; /* of the last window where their number is odd, else NULL */
};

MIDGE_KERNEL void midge_windows_s8_mve(
    const int8_t *x, int8_t *y, const int8_t *stream, int8_t *patch, const struct midge_windows_mve *p) {
    const struct midge_window *w = &p->window;
    const int32_t taps = w->kernel_h * w->kernel_w * w->in_c, padded = (taps + 15) & ~15;
    if (!p->in_place) {
        /* What fills up the last vector counts as zero. */
        midge_fill_mve(patch + taps, 0, padded - taps);
        if (p->pair != NULL) {
            midge_fill_mve(patch + padded + taps, 0, padded - taps);
        }
    }
    for (int32_t n = 0; n < w->batches; n++) {
        const int8_t *first = NULL;
        for (int32_t i = 0; i < w->out_h; i++) {
            for (int32_t j = 0; j < w->out_w; j++) {
                const int32_t row = i * w->stride_h - w->pad_top, column = j * w->stride_w - w->pad_left;
                const int8_t *at = x + (row * w->in_w + column) * w->in_c;
                if (!p->in_place) {
                    at = first == NULL ? patch : patch + padded;
                    midge_gather_mve(x, row, column, first == NULL ? patch : patch + padded, w, p->inside, (int8_t)p->x_zero);
                }
                if (p->pair == NULL || first == NULL) {
                    first = at;
                } else {
                    p->pair(first, at, y, stream);
                    first = NULL;
                    y += 2 * w->out_c;
                }
            }
        }
        if (w->out_h * w->out_w % 2 != 0) {
            p->single(first, first, y, stream);
            y += w->out_c;
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}

/* The same for windows of up to 16 bytes, many at a time: each is gathered into 16 bytes of the patch. */
typedef void midge_strip_tile(const int8_t *windows, int8_t *y, const int8_t *stream, int32_t count);

struct midge_strip_mve {
    struct midge_window window;
    int inside;
    int32_t x_zero;
    int32_t length; /* windows at a time */
    midge_strip_tile *tile;
};

MIDGE_KERNEL void midge_strip_s8_mve(
    const int8_t *x, int8_t *y, const int8_t *stream, int8_t *patch, const struct midge_strip_mve *p) {
    const struct midge_window *w = &p->window;
    if (w->kernel_h * w->kernel_w * w->in_c < 16) {
        midge_fill_mve(patch, 0, 16 * p->length);
    }
    for (int32_t n = 0; n < w->batches; n++) {
        int32_t count = 0;
        for (int32_t i = 0; i < w->out_h; i++) {
            for (int32_t j = 0; j < w->out_w; j++) {
                const int32_t row = i * w->stride_h - w->pad_top, column = j * w->stride_w - w->pad_left;
                midge_gather_mve(x, row, column, patch + 16 * count, w, p->inside, (int8_t)p->x_zero);
                count++;
                if (count == p->length) {
                    p->tile(patch, y, stream, count);
                    y += count * w->out_c;
                    count = 0;
                }
            }
        }
        if (count > 0) {
            p->tile(patch, y, stream, count);
            y += count * w->out_c;
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
