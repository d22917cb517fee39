/* conv_2d, float32, portable C.
   weights [out_c][kernel_h][kernel_w][in_c / groups]; bias [out_c], or NULL. Products are added one by one in this
   order; taps outside the image are left out.
   A pixel is written while its window is read. */
#include "clamp.h"
#include "float32.h"
#include "window_taps.h"

struct midge_conv_2d_f32 {
    struct midge_window window;
    int32_t groups;
    int inside; /* 1: no window leaves the image */
    float low, high;
};

MIDGE_KERNEL float midge_dot_f32(const float *x, const float *weights, int32_t count, float sum) {
    for (int32_t k = 0; k < count; k++) {
        sum += x[k] * weights[k];
    }
    return sum;
}

/* x: the first of the group's channels in an image. */
MIDGE_KERNEL float midge_window_sum_f32(
    const float *x, const float *weights, int32_t row, int32_t column, struct midge_taps rows,
    struct midge_taps columns, const struct midge_conv_2d_f32 *p) {
    const struct midge_window *w = &p->window;
    const int32_t channels = w->in_c / p->groups;
    float sum = 0.0f;
    if (columns.first == columns.end) {
        return sum;
    }
    for (int32_t i = rows.first; i < rows.end; i++) {
        const int32_t first = ((row + i * w->dilation_h) * w->in_w + column) * w->in_c; /* tap 0, there or not */
        const float *taps = weights + i * w->kernel_w * channels;
        if (w->dilation_w == 1 && p->groups == 1) {
            const int32_t start = columns.first * channels, count = columns.end * channels - start;
            sum = midge_dot_f32(x + (first + start), taps + start, count, sum);
            continue;
        }
        for (int32_t j = columns.first; j < columns.end; j++) {
            sum = midge_dot_f32(x + (first + j * w->dilation_w * w->in_c), taps + j * channels, channels, sum);
        }
    }
    return sum;
}

MIDGE_KERNEL void midge_conv_2d_f32(
    const float *x, float *y, const float *weights, const float *bias, const struct midge_conv_2d_f32 *p) {
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
                        const float sum = midge_window_sum_f32(
                            x + g * channels, weights + o * taps, row, column, rows, columns, p);
                        y[o] = midge_clamp_f32(bias != NULL ? sum + bias[o] : sum, p->low, p->high);
                    }
                }
                y += w->out_c;
            }
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
