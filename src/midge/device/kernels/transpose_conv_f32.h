/* transpose_conv, float32, portable C.
   weights [out_c][kernel_h][kernel_w][in_c]; bias [out_c], or NULL. Each output gathers the inputs that reach it,
   in their own order, product by product.
   A pixel is written while its sources are read. */
#include "clamp.h"
#include "float32.h"
#include "transpose_window.h"

struct midge_transpose_conv_f32 {
    struct midge_transpose_window window;
    float low, high;
};

MIDGE_KERNEL float midge_gathered_sum_f32(
    const float *x, const float *weights, int32_t row, int32_t column, struct midge_sources rows,
    struct midge_sources columns, const struct midge_transpose_conv_f32 *p) {
    const struct midge_transpose_window *w = &p->window;
    float sum = 0.0f;
    for (int32_t i = rows.first; i < rows.end; i++) {
        for (int32_t j = columns.first; j < columns.end; j++) {
            const int32_t tap = (row - i * w->stride_h) * w->kernel_w + column - j * w->stride_w;
            const float *pixel = x + (i * w->in_w + j) * w->in_c, *taps = weights + tap * w->in_c;
            for (int32_t c = 0; c < w->in_c; c++) {
                sum += pixel[c] * taps[c];
            }
        }
    }
    return sum;
}

MIDGE_KERNEL void midge_transpose_conv_f32(
    const float *x, float *y, const float *weights, const float *bias,
    const struct midge_transpose_conv_f32 *p) {
    const struct midge_transpose_window *w = &p->window;
    const int32_t taps = w->kernel_h * w->kernel_w * w->in_c;
    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t i = 0; i < w->out_h; i++) {
            const int32_t row = i + w->pad_top;
            const struct midge_sources rows = midge_sources_of(row, w->kernel_h, w->stride_h, w->in_h);
            for (int32_t j = 0; j < w->out_w; j++) {
                const int32_t column = j + w->pad_left;
                const struct midge_sources columns = midge_sources_of(column, w->kernel_w, w->stride_w, w->in_w);
                for (int32_t o = 0; o < w->out_c; o++) {
                    const float sum =
                        midge_gathered_sum_f32(x, weights + o * taps, row, column, rows, columns, p);
                    *y++ = midge_clamp_f32(bias != NULL ? sum + bias[o] : sum, p->low, p->high);
                }
            }
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
