/* conv_2d, int8, ungrouped, two pixels at a time, both in one word: two products a multiplication.
   weights: for each output its taps in the order of `places`, four to a word (tiles/blocks.py).
   places [kernel_h * kernel_w * in_c]: the word of the column for each tap, for windows that leave the image; NULL
   where none does. offsets: in the order of the column, where each tap stands in the image; NULL where that is too far.
   column: scratch, `column_words` words, then in_c bytes for what lies outside the image, then two pixels of outputs.
   Both pixels are read before their outputs are written. */
#include "scalar_blocks.h"
#include "scalar_stairs.h"
#include "window.h"

struct midge_conv_2d_scalar {
    struct midge_window window;
    int32_t x_zero, column_words;
    int32_t weight_words; /* of an output */
    struct midge_blocks blocks;
    struct midge_stairs stairs;
};

/* All outputs of two pixels, of y and y + out_c, in assembly; NULL where C does as well. Functions are arguments, not
   fields: so compilers see that they are constants. */
typedef void midge_single_tile(
    const uint32_t *column, const uint32_t *weights, const uint32_t *channels, int8_t *y);
/* The column of two pixels inside the image, in assembly; NULL where C does as well. */
typedef void midge_column_fill(
    const int8_t *first, const int8_t *second, const uint16_t *offsets, uint32_t *column);

/* A block of 4 * `words` taps for `count` outputs, `stride` words of weights apart; both are constants. */
MIDGE_KERNEL void midge_single_block(
    const uint32_t *column, const uint32_t *weights, int32_t words, int32_t count, int32_t stride,
    struct midge_block_sums *s) {
#pragma GCC unroll 4
    for (int32_t t = 0; t < count; t++) {
        s->block[t] = column[0];
    }
    for (int32_t i = 0; i < words; i++) {
        const uint32_t x0 = column[4 * i + 1], x1 = column[4 * i + 2];
        const uint32_t x2 = column[4 * i + 3], x3 = column[4 * i + 4];
#pragma GCC unroll 4
        for (int32_t t = 0; t < count; t++) {
            const uint32_t w = weights[t * stride + i];
            s->block[t] += w * x0;
            s->block[t] += (w >> 8) * x1;
            s->block[t] += (w >> 16) * x2;
            s->block[t] += (w >> 24) * x3;
            MIDGE_IN_REGISTER(s->block[t]);
        }
    }
    midge_end_block(s, count);
}

/* A block of two taps, whose weights are half a word. */
MIDGE_KERNEL void midge_single_two(
    const uint32_t *column, const uint32_t *weights, int upper, int32_t count, int32_t stride,
    struct midge_block_sums *s) {
    const uint32_t corrected = column[0], x0 = column[1], x1 = column[2];
#pragma GCC unroll 4
    for (int32_t t = 0; t < count; t++) {
        const uint32_t word = weights[t * stride], w = upper ? word >> 16 : word & 0xFFFFu;
        s->block[t] = corrected + w * x0 + (w >> 8) * x1;
    }
    midge_end_block(s, count);
}

/* The sums of `count` outputs; `weights` of the first. */
MIDGE_KERNEL void midge_single_sums(
    const uint32_t *column, const uint32_t *weights, int32_t count, struct midge_block_sums *s,
    const struct midge_conv_2d_scalar *p) {
    const int32_t stride = p->weight_words;
    midge_begin_sums(s, count, &p->blocks);
    for (int32_t i = 0; i < p->blocks.eights; i++) {
        midge_single_block(column, weights, 2, count, stride, s);
        column += 9;
        weights += 2;
    }
    for (int32_t i = 0; i < p->blocks.fours; i++) {
        midge_single_block(column, weights, 1, count, stride, s);
        column += 5;
        weights++;
    }
    for (int32_t i = 0; i + 2 <= p->blocks.twos; i += 2) {
        midge_single_two(column, weights, 0, count, stride, s);
        midge_single_two(column + 3, weights, 1, count, stride, s);
        column += 6;
        weights++;
    }
    if (p->blocks.twos % 2 != 0) {
        midge_single_two(column, weights, 0, count, stride, s);
    }
    midge_end_sums(s, count);
}

/* Both pixels' outputs from `first` on, as many as `count`, which is a constant. */
MIDGE_KERNEL void midge_single_outputs(
    const uint32_t *column, const uint32_t *weights, int32_t first, int32_t count, int8_t *y,
    const struct midge_conv_2d_scalar *p) {
    struct midge_block_sums sums;
    midge_single_sums(column, weights + first * p->weight_words, count, &sums, p);
#pragma GCC unroll 4
    for (int32_t t = 0; t < count; t++) {
        y[first + t] = midge_climb(sums.low[t], first + t, &p->stairs);
        y[first + t + p->window.out_c] = midge_climb(sums.high[t], first + t, &p->stairs);
    }
}

MIDGE_KERNEL void midge_single_pair(
    const uint32_t *column, const uint32_t *weights, int8_t *y, midge_single_tile *tile,
    const struct midge_conv_2d_scalar *p) {
    if (tile != NULL) {
        tile(column, weights, p->stairs.channels, y);
        return;
    }
    int32_t o = 0;
    for (; o + 4 <= p->window.out_c; o += 4) {
        midge_single_outputs(column, weights, o, 4, y, p);
    }
    for (; o < p->window.out_c; o++) {
        midge_single_outputs(column, weights, o, 1, y, p);
    }
}

/* Where the window of an output pixel begins in the padded image. */
struct midge_corner {
    int32_t row, column;
};

MIDGE_KERNEL const int8_t *midge_tap(
    const int8_t *x, struct midge_corner at, int32_t i, int32_t j, const int8_t *outside,
    const struct midge_window *w) {
    const int32_t row = at.row + i * w->dilation_h, column = at.column + j * w->dilation_w;
    const int inside = row >= 0 && row < w->in_h && column >= 0 && column < w->in_w;
    return inside ? x + (row * w->in_w + column) * w->in_c : outside;
}

MIDGE_KERNEL int midge_is_inside(struct midge_corner at, const struct midge_window *w) {
    return at.row >= 0 && at.row + (w->kernel_h - 1) * w->dilation_h < w->in_h && at.column >= 0 &&
           at.column + (w->kernel_w - 1) * w->dilation_w < w->in_w;
}

/* Read the windows of two pixels. */
MIDGE_KERNEL void midge_fill_column(
    const int8_t *x, struct midge_corner first, struct midge_corner second, const int8_t *outside,
    const uint16_t *places, uint32_t *column, const struct midge_conv_2d_scalar *p) {
    const struct midge_window *w = &p->window;
    for (int32_t i = 0; i < w->kernel_h; i++) {
        for (int32_t j = 0; j < w->kernel_w; j++) {
            const int8_t *a = midge_tap(x, first, i, j, outside, w), *b = midge_tap(x, second, i, j, outside, w);
            for (int32_t c = 0; c < w->in_c; c++) {
                column[*places++] = (uint32_t)a[c] + ((uint32_t)b[c] << 16);
            }
        }
    }
    midge_finish_column(column, &p->blocks, 0);
}

/* The same where both are inside. */
MIDGE_KERNEL void midge_fill_inside(
    const int8_t *x, struct midge_corner first, struct midge_corner second, const uint16_t *offsets, uint32_t *column,
    midge_column_fill *fill, const struct midge_conv_2d_scalar *p) {
    const int32_t width = p->window.in_w, channels = p->window.in_c;
    const int8_t *a = x + (first.row * width + first.column) * channels;
    const int8_t *b = x + (second.row * width + second.column) * channels;
    if (fill != NULL) {
        fill(a, b, offsets, column);
    } else {
        midge_read_column(a, b, offsets, column, &p->blocks);
    }
}

MIDGE_KERNEL void midge_conv_2d_s8_scalar(
    const int8_t *x, int8_t *y, const uint32_t *weights, const uint16_t *places, const uint16_t *offsets,
    uint32_t *column, midge_single_tile *tile, midge_column_fill *fill, const struct midge_conv_2d_scalar *p) {
    const struct midge_window *w = &p->window;
    int8_t *outside = (int8_t *)(column + p->column_words), *spare = outside + w->in_c;
    const int32_t pixels = w->out_h * w->out_w;
    MIDGE_FILL(outside, (int8_t)p->x_zero, w->in_c);
    for (int32_t n = 0; n < w->batches; n++) {
        int32_t i = 0, j = 0;
        for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
            struct midge_corner corners[2];
            for (int32_t side = 0; side < 2; side++) {
                corners[side].row = i * w->stride_h - w->pad_top;
                corners[side].column = j * w->stride_w - w->pad_left;
                if (pixel + side + 1 < pixels && ++j == w->out_w) {
                    j = 0;
                    i++;
                }
            }
            const int inside = midge_is_inside(corners[0], w) && midge_is_inside(corners[1], w);
            if (offsets != NULL && (places == NULL || inside)) {
                midge_fill_inside(x, corners[0], corners[1], offsets, column, fill, p);
            } else {
                midge_fill_column(x, corners[0], corners[1], outside, places, column, p);
            }
            /* The last pixel may stand alone: it is computed twice, and kept once. */
            const int alone = pixel + 1 == pixels;
            midge_single_pair(column, weights, alone ? spare : y, tile, p);
            if (alone) {
                MIDGE_COPY(y, spare, w->out_c);
            }
            y += alone ? w->out_c : 2 * w->out_c;
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
