/* depthwise_conv_2d, float32, portable C.
   weights [kernel_h * kernel_w][out_c]; bias [out_c], or NULL. Products are added one by one in this order; taps
   outside the image are left out.
   A pixel is written while its window is read. */
#include "clamp.h"
#include "float32.h"
#include "window_taps.h"

struct midge_depthwise_conv_2d_f32 {
    struct midge_window window;
    int inside; /* 1: no window leaves the image */
    float low, high;
};

/* x and weights: those of one channel. */
MIDGE_KERNEL float midge_channel_sum_f32(
    const float *x, const float *weights, int32_t row, int32_t column, struct midge_taps rows,
    struct midge_taps columns, const struct midge_depthwise_conv_2d_f32 *p) {
    const struct midge_window *w = &p->window;
    float sum = 0.0f;
    for (int32_t i = rows.first; i < rows.end; i++) {
        const int32_t first = ((row + i * w->dilation_h) * w->in_w + column) * w->in_c; /* tap 0, there or not */
        const float *taps = weights + i * w->kernel_w * w->out_c;
        for (int32_t j = columns.first; j < columns.end; j++) {
            sum += x[first + j * w->dilation_w * w->in_c] * taps[j * w->out_c];
        }
    }
    return sum;
}

MIDGE_KERNEL void midge_depthwise_conv_2d_f32(
    const float *x, float *y, const float *weights, const float *bias,
    const struct midge_depthwise_conv_2d_f32 *p) {
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
                        const float sum =
                            midge_channel_sum_f32(x + c, weights + o, row, column, rows, columns, p);
                        *y++ = midge_clamp_f32(bias != NULL ? sum + bias[o] : sum, p->low, p->high);
                    }
                }
            }
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
