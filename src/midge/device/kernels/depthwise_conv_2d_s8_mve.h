/* depthwise_conv_2d, int8, with Helium: a row of pixels and four channels at a time.
   Before a row is computed, four rows of the image at a time are interleaved in `columns`: a word there holds what one
   channel of one column has in each of the four. A vector of four such words is gathered: up to 4x4 taps of a channel,
   whose products one instruction sums.
   weights: for each four channels, for each four rows of taps, for each four columns of taps, 16 bytes of every channel
   in the order of the words, zeros where there is no tap.
   records: see rescale_mve.h, one for each four channels. */
#include "dsp.h"
#include "rescale_mve.h"
#include "window.h"

struct midge_depthwise_conv_2d_mve {
    struct midge_window window;
    int32_t x_zero;
    int32_t columns;     /* of the image that windows reach, from the first one on */
    int32_t right;       /* columns to the right of those that windows reach */
    int32_t group_words; /* from the interleaved words of four rows to those of the next four */
    struct midge_rescale_mve factors;
};

/* Where a row of the image is read: outside the image one vector of zero points stands for all. */
struct midge_row_mve {
    const int8_t *at;
    int32_t step;
};

MIDGE_KERNEL struct midge_row_mve midge_row_at_mve(
    const int8_t *image, int32_t row, const int8_t *outside, const struct midge_window *w) {
    const int is_inside = row >= 0 && row < w->in_h;
    const struct midge_row_mve found = {
        is_inside ? image + row * w->in_w * w->in_c : outside, is_inside ? 16 : 0};
    return found;
}

/* 16 bytes of each of `count` rows, interleaved; `left` of them are there. */
MIDGE_KERNEL void midge_interleave_16_mve(struct midge_row_mve *rows, int32_t count, int32_t left, int8_t *words) {
    int8x16x4_t vectors = {{vdupq_n_s8(0), vdupq_n_s8(0), vdupq_n_s8(0), vdupq_n_s8(0)}};
    for (int32_t r = 0; r < count; r++) {
        vectors.val[r] = left >= 16 ? vldrbq_s8(rows[r].at) : vldrbq_z_s8(rows[r].at, vctp8q((uint32_t)left));
        rows[r].at += rows[r].step;
    }
    vst4q_s8(words, vectors);
}

/* `size` bytes of each of `count` rows, at most four, interleaved; up to 60 bytes behind the words are written too. */
MIDGE_KERNEL void midge_interleave_mve(struct midge_row_mve *rows, int32_t count, int32_t size, int8_t *words) {
    const int32_t whole = size & ~15;
    for (int32_t t = 0; t < whole; t += 16) {
        midge_interleave_16_mve(rows, count, 16, words);
        words += 64;
    }
    if (size != whole) {
        midge_interleave_16_mve(rows, count, size - whole, words);
    }
}

/* Interleave the rows of taps from `first` on, at most four. */
MIDGE_KERNEL void midge_interleave_rows_mve(
    const int8_t *image, int32_t row, int32_t first, const int8_t *outside, int8_t *words,
    const struct midge_depthwise_conv_2d_mve *p) {
    const struct midge_window *w = &p->window;
    const int32_t count = midge_min(w->kernel_h - first, 4), size = p->columns * w->in_c;
    const int32_t top = row + first * w->dilation_h, bottom = top + (count - 1) * w->dilation_h;
    struct midge_row_mve rows[4];
    for (int32_t r = 0; r < count; r++) {
        rows[r] = midge_row_at_mve(image, top + r * w->dilation_h, outside, w);
    }
    words += w->pad_left * w->in_c * 4;
    if (top >= 0 && bottom < w->in_h) {
        /* The same, where the compiler sees that every row moves on. */
        for (int32_t r = 0; r < count; r++) {
            rows[r].step = 16;
        }
        midge_interleave_mve(rows, count, size, words);
    } else {
        midge_interleave_mve(rows, count, size, words);
    }
    if (size % 16 != 0) {
        /* The last vectors reached over them. */
        midge_fill_mve(words + size * 4, (int8_t)p->x_zero, p->right * w->in_c * 4);
    }
}

/* Addresses of one row of up to four taps from tap `first` on, those of no tap being the last one's. */
MIDGE_KERNEL uint32x4_t midge_tap_addresses_mve(
    const int8_t *words, int32_t first, const struct midge_window *w) {
    const uint32x4_t taps = vaddq_n_u32(vidupq_n_u32(0, 1), (uint32_t)first);
    const uint32x4_t held = vminq_u32(taps, vdupq_n_u32((uint32_t)(w->kernel_w - 1)));
    const uint32x4_t offsets = vmulq_n_u32(held, (uint32_t)(w->dilation_w * w->in_c * 4));
    return vaddq_n_u32(offsets, (uint32_t)(uintptr_t)words);
}

/* The sums of four channels whose taps start at `words`. */
MIDGE_KERNEL int32x4_t midge_sum_taps_mve(
    const int8_t *words, const int8_t *weights, const struct midge_depthwise_conv_2d_mve *p) {
    const struct midge_window *w = &p->window;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int32_t row = 0; row < w->kernel_h; row += 4) {
        for (int32_t tap = 0; tap < w->kernel_w; tap += 4) {
            const uint32x4_t at = midge_tap_addresses_mve(words, tap, w);
            s0 = vmladavaq_s8(s0, vreinterpretq_s8_s32(vldrwq_gather_base_s32(at, 0)), vldrbq_s8(weights));
            s1 = vmladavaq_s8(s1, vreinterpretq_s8_s32(vldrwq_gather_base_s32(at, 4)), vldrbq_s8(weights + 16));
            s2 = vmladavaq_s8(s2, vreinterpretq_s8_s32(vldrwq_gather_base_s32(at, 8)), vldrbq_s8(weights + 32));
            s3 = vmladavaq_s8(s3, vreinterpretq_s8_s32(vldrwq_gather_base_s32(at, 12)), vldrbq_s8(weights + 48));
            weights += 64;
        }
        words += p->group_words * 4;
    }
    return midge_vector_mve(s0, s1, s2, s3);
}

/* One row of pixels, `channels` of each, at most four. */
MIDGE_KERNEL void midge_depthwise_pixels_mve(
    const int8_t *words, int8_t *y, const int8_t *weights, const int32_t *record, int32_t channels,
    const struct midge_depthwise_conv_2d_mve *p) {
    const struct midge_window *w = &p->window;
    const int32x4_t bias = vldrwq_s32(record);
    const int32x4_t multiplier = midge_multiplier_mve(record, &p->factors);
    const int32x4_t shift = midge_shift_mve(record, &p->factors);
    if (w->kernel_h <= 4 && w->kernel_w <= 4) {
        /* All taps in one vector. */
        const int8x16_t w0 = vldrbq_s8(weights), w1 = vldrbq_s8(weights + 16);
        const int8x16_t w2 = vldrbq_s8(weights + 32), w3 = vldrbq_s8(weights + 48);
        uint32x4_t at = midge_tap_addresses_mve(words, 0, w);
        for (int32_t j = 0; j < w->out_w; j++) {
            const int32_t s0 = vmladavq_s8(vreinterpretq_s8_s32(vldrwq_gather_base_s32(at, 0)), w0);
            const int32_t s1 = vmladavq_s8(vreinterpretq_s8_s32(vldrwq_gather_base_s32(at, 4)), w1);
            const int32_t s2 = vmladavq_s8(vreinterpretq_s8_s32(vldrwq_gather_base_s32(at, 8)), w2);
            const int32_t s3 = vmladavq_s8(vreinterpretq_s8_s32(vldrwq_gather_base_s32(at, 12)), w3);
            const int32x4_t sums = vaddq_s32(midge_vector_mve(s0, s1, s2, s3), bias);
            midge_store_mve(y, midge_rescale_by_mve(sums, multiplier, shift, &p->factors), channels);
            at = vaddq_n_u32(at, (uint32_t)(w->stride_w * w->in_c * 4));
            y += w->in_c;
        }
    } else {
        for (int32_t j = 0; j < w->out_w; j++) {
            const int32x4_t sums = vaddq_s32(midge_sum_taps_mve(words, weights, p), bias);
            midge_store_mve(y, midge_rescale_by_mve(sums, multiplier, shift, &p->factors), channels);
            words += w->stride_w * w->in_c * 4;
            y += w->in_c;
        }
    }
}

/* What stands in `columns` whatever is computed: zero points beside the image, and a vector of them behind all. */
MIDGE_KERNEL int8_t *midge_frame_columns_mve(int8_t *columns, const struct midge_depthwise_conv_2d_mve *p) {
    const struct midge_window *w = &p->window;
    for (int32_t first = 0; first < w->kernel_h; first += 4) {
        midge_fill_mve(columns, (int8_t)p->x_zero, w->pad_left * w->in_c * 4);
        midge_fill_mve(
            columns + (w->pad_left + p->columns) * w->in_c * 4, (int8_t)p->x_zero, p->right * w->in_c * 4);
        columns += p->group_words * 4;
    }
    midge_fill_mve(columns, (int8_t)p->x_zero, 16);
    return columns;
}

MIDGE_KERNEL void midge_depthwise_conv_2d_s8_mve(
    const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *records, int8_t *columns,
    const struct midge_depthwise_conv_2d_mve *p) {
    const struct midge_window *w = &p->window;
    const int32_t groups = (w->kernel_h + 3) / 4, block = groups * ((w->kernel_w + 3) / 4) * 64;
    const int8_t *outside = midge_frame_columns_mve(columns, p);
    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t i = 0; i < w->out_h; i++) {
            for (int32_t g = 0; g < groups; g++) {
                midge_interleave_rows_mve(
                    x, i * w->stride_h - w->pad_top, 4 * g, outside, columns + g * p->group_words * 4, p);
            }
            const int8_t *words = columns, *taps = weights;
            const int32_t *record = records;
            for (int32_t left = w->in_c; left > 0; left -= 4) {
                midge_depthwise_pixels_mve(words, y, taps, record, left, p);
                words += 16;
                taps += block;
                record += p->factors.words;
                y += 4;
            }
            y += w->out_w * w->in_c - (w->in_c + 3) / 4 * 4;
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}

/* A row of pixels for a generated tile; see tiles/helium.py. It is read by offsets. */
struct midge_depthwise_row_mve {
    const int8_t *words;
    int8_t *y;
    const int8_t *stream; /* for each four channels their weights and their record */
    int32_t channels, pixels;
    int32_t step;       /* bytes of words from one pixel to the next */
    int32_t offsets[4]; /* of the columns of taps, in bytes of words */
};

typedef void midge_depthwise_row_tile(const struct midge_depthwise_row_mve *row);

/* The same for windows of up to 4x4 taps, by a generated tile. */
MIDGE_KERNEL void midge_depthwise_rows_s8_mve(
    const int8_t *x, int8_t *y, const int8_t *stream, int8_t *columns, midge_depthwise_row_tile *tile,
    const struct midge_depthwise_conv_2d_mve *p) {
    const struct midge_window *w = &p->window;
    const int8_t *outside = midge_frame_columns_mve(columns, p);
    const int32_t apart = w->dilation_w * w->in_c * 4;
    struct midge_depthwise_row_mve row = {columns, y, stream, w->in_c, w->out_w, w->stride_w * w->in_c * 4, {0}};
    for (int32_t k = 1; k < 4; k++) {
        row.offsets[k] = midge_min(k, w->kernel_w - 1) * apart;
    }
    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t i = 0; i < w->out_h; i++) {
            midge_interleave_rows_mve(x, i * w->stride_h - w->pad_top, 0, outside, columns, p);
            tile(&row);
            row.y += w->out_w * w->in_c;
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
