/* depthwise_conv_2d, int16 with int8 weights, portable C.
   weights [kernel_h * kernel_w][out_c]. Taps outside the image are left out: they are zeros.
   A pixel is written while its window is read. */
#include "sums_s16.h"
#include "window_taps.h"

struct midge_depthwise_conv_2d_s16 {
    struct midge_window window;
    int inside; /* 1: no window leaves the image */
    struct midge_sums_s16 sums;
};

/* x and weights: those of one channel. */
MIDGE_KERNEL int64_t midge_channel_sum_s16(
    const int16_t *x, const int8_t *weights, int32_t row, int32_t column, struct midge_taps rows,
    struct midge_taps columns, const struct midge_depthwise_conv_2d_s16 *p) {
    const struct midge_window *w = &p->window;
    int32_t narrow_sum = 0;
    int64_t sum = 0;
    for (int32_t i = rows.first; i < rows.end; i++) {
        const int32_t first = ((row + i * w->dilation_h) * w->in_w + column) * w->in_c; /* tap 0, there or not */
        const int8_t *taps = weights + i * w->kernel_w * w->out_c;
        for (int32_t j = columns.first; j < columns.end; j++) {
            const int32_t product = x[first + j * w->dilation_w * w->in_c] * taps[j * w->out_c];
            if (p->sums.narrow) {
                narrow_sum += product;
            } else {
                sum += product;
            }
        }
    }
    return p->sums.narrow ? narrow_sum : sum;
}

MIDGE_KERNEL void midge_depthwise_conv_2d_s16(
    const int16_t *x, int16_t *y, const int8_t *weights, const struct midge_depthwise_conv_2d_s16 *p) {
    const struct midge_window *w = &p->window;
    const int32_t multiplier = w->out_c / w->in_c;
    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t i = 0; i < w->out_h; i++) {
            const int32_t row = i * w->stride_h - w->pad_top;
            const struct midge_taps rows = midge_taps_inside(row, w->kernel_h, w->dilation_h, w->in_h, p->inside);
            for (int32_t j = 0; j < w->out_w; j++) {
                const int32_t column = j * w->stride_w - w->pad_left;
                const struct midge_taps columns =
                    midge_taps_inside(column, w->kernel_w, w->dilation_w, w->in_w, p->inside);
                for (int32_t c = 0, o = 0; c < w->in_c; c++) {
                    for (int32_t m = 0; m < multiplier; m++, o++) {
                        const int64_t products =
                            midge_channel_sum_s16(x + c, weights + o, row, column, rows, columns, p);
                        *y++ = midge_finish_s16(midge_bias_s16(&p->sums, o) + products, o, &p->sums);
                    }
                }
            }
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
