/* conv_2d and fully_connected, int8, with Helium: one window and four outputs at a time.
   weights: for each four outputs, for each 16 taps, 16 bytes of every output; the last taps of a window are fewer, and
   so are their bytes. 16 bytes are loaded there too, and what is not theirs is multiplied by zero.
   records: see rescale_mve.h, one for each four outputs.
   patch: scratch for a window, unless it can be read where it stands. */
#include "gather_mve.h"
#include "rescale_mve.h"

struct midge_conv_2d_mve {
    struct midge_window window;
    int in_place; /* 1: a window is one pixel of the image */
    int inside; /* 1: every window lies inside the image */
    int32_t x_zero;
    struct midge_rescale_mve factors;
};

struct midge_sums_mve {
    int32_t s0, s1, s2, s3;
};

/* 16 taps of one window and four outputs; an output's weights stand `step` bytes behind those before. */
MIDGE_KERNEL void midge_tile_mve(int8x16_t x, const int8_t *w, int32_t step, struct midge_sums_mve *sums) {
    sums->s0 = vmladavaq_s8(sums->s0, x, vldrbq_s8(w));
    sums->s1 = vmladavaq_s8(sums->s1, x, vldrbq_s8(w + step));
    sums->s2 = vmladavaq_s8(sums->s2, x, vldrbq_s8(w + 2 * step));
    sums->s3 = vmladavaq_s8(sums->s3, x, vldrbq_s8(w + 3 * step));
}

/* All outputs of one window of `taps` bytes. */
MIDGE_KERNEL void midge_outputs_mve(
    const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *record, int32_t taps,
    const struct midge_conv_2d_mve *p) {
    const int32_t whole = taps & ~15, rest = taps & 15;
    for (int32_t left = p->window.out_c; left > 0; left -= 4) {
        struct midge_sums_mve sums = {record[0], record[1], record[2], record[3]};
        for (int32_t t = 0; t < whole; t += 16) {
            midge_tile_mve(vldrbq_s8(x + t), weights, 16, &sums);
            weights += 64;
        }
        if (rest != 0) {
            midge_tile_mve(vldrbq_z_s8(x + whole, vctp8q((uint32_t)rest)), weights, rest, &sums);
            weights += 4 * rest;
        }
        const int32x4_t vector = midge_vector_mve(sums.s0, sums.s1, sums.s2, sums.s3);
        midge_store_mve(y, midge_rescale_mve(vector, record, &p->factors), left);
        y += 4;
        record += p->factors.words;
    }
}

MIDGE_KERNEL void midge_conv_2d_s8_mve(
    const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *records, int8_t *patch,
    const struct midge_conv_2d_mve *p) {
    const struct midge_window *w = &p->window;
    const int32_t taps = w->kernel_h * w->kernel_w * w->in_c;
    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t i = 0; i < w->out_h; i++) {
            for (int32_t j = 0; j < w->out_w; j++) {
                const int32_t row = i * w->stride_h - w->pad_top, column = j * w->stride_w - w->pad_left;
                const int8_t *source = patch;
                if (p->in_place) {
                    source = x + (row * w->in_w + column) * w->in_c;
                } else {
                    midge_gather_mve(x, row, column, patch, w, p->inside, (int8_t)p->x_zero);
                }
                midge_outputs_mve(source, y, weights, records, taps, p);
                y += w->out_c;
            }
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
