/* conv_2d, int16 with int8 weights, portable C.
   weights [out_c][kernel_h][kernel_w][in_c / groups]. Taps outside the image are left out: they are zeros.
   A pixel is written while its window is read. */
#include "sums_s16.h"
#include "window_taps.h"

struct midge_conv_2d_s16 {
    struct midge_window window;
    int32_t groups;
    int inside; /* 1: no window leaves the image */
    struct midge_sums_s16 sums;
};

/* x: the first of the group's channels in an image. */
MIDGE_KERNEL int64_t midge_window_sum_s16(
    const int16_t *x, const int8_t *weights, int32_t row, int32_t column, struct midge_taps rows,
    struct midge_taps columns, int64_t sum, const struct midge_conv_2d_s16 *p) {
    const struct midge_window *w = &p->window;
    const int32_t channels = w->in_c / p->groups;
    if (columns.first == columns.end) {
        return sum;
    }
    for (int32_t i = rows.first; i < rows.end; i++) {
        const int32_t first = ((row + i * w->dilation_h) * w->in_w + column) * w->in_c; /* tap 0, there or not */
        const int8_t *taps = weights + i * w->kernel_w * channels;
        if (w->dilation_w == 1 && p->groups == 1) {
            const int32_t start = columns.first * channels, count = columns.end * channels - start;
            sum += midge_dot_s16(x + (first + start), taps + start, count, p->sums.narrow);
            continue;
        }
        for (int32_t j = columns.first; j < columns.end; j++) {
            const int16_t *pixel = x + (first + j * w->dilation_w * w->in_c);
            sum += midge_dot_s16(pixel, taps + j * channels, channels, p->sums.narrow);
        }
    }
    return sum;
}

MIDGE_KERNEL void midge_conv_2d_s16(
    const int16_t *x, int16_t *y, const int8_t *weights, const struct midge_conv_2d_s16 *p) {
    const struct midge_window *w = &p->window;
    const int32_t channels = w->in_c / p->groups, outputs = w->out_c / p->groups;
    const int32_t taps = w->kernel_h * w->kernel_w * channels;
    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t i = 0; i < w->out_h; i++) {
            const int32_t row = i * w->stride_h - w->pad_top;
            const struct midge_taps rows = midge_taps_inside(row, w->kernel_h, w->dilation_h, w->in_h, p->inside);
            for (int32_t j = 0; j < w->out_w; j++) {
                const int32_t column = j * w->stride_w - w->pad_left;
                const struct midge_taps columns =
                    midge_taps_inside(column, w->kernel_w, w->dilation_w, w->in_w, p->inside);
                for (int32_t g = 0; g < p->groups; g++) {
                    for (int32_t o = g * outputs; o < (g + 1) * outputs; o++) {
                        const int64_t sum = midge_window_sum_s16(
                            x + g * channels, weights + o * taps, row, column, rows, columns,
                            midge_bias_s16(&p->sums, o), p);
                        y[o] = midge_finish_s16(sum, o, &p->sums);
                    }
                }
                y += w->out_c;
            }
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
