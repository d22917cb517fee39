/* transpose_conv, int8, portable C.
   weights [out_c][kernel_h][kernel_w][in_c]; bias [out_c]. Each output gathers the inputs that reach it.
   A pixel is written while its sources are read. */
#include "requantize.h"
#include "transpose_window.h"

struct midge_transpose_conv_s8 {
    struct midge_transpose_window window;
    int32_t x_zero, y_zero, low, high;
    struct midge_factors factors;
};

MIDGE_KERNEL int32_t midge_gathered_sum_s8(
    const int8_t *x, const int8_t *weights, int32_t row, int32_t column, struct midge_sources rows,
    struct midge_sources columns, int32_t sum, const struct midge_transpose_conv_s8 *p) {
    const struct midge_transpose_window *w = &p->window;
    for (int32_t i = rows.first; i < rows.end; i++) {
        for (int32_t j = columns.first; j < columns.end; j++) {
            const int32_t tap = (row - i * w->stride_h) * w->kernel_w + column - j * w->stride_w;
            const int8_t *pixel = x + (i * w->in_w + j) * w->in_c, *taps = weights + tap * w->in_c;
            for (int32_t c = 0; c < w->in_c; c++) {
                sum += (pixel[c] - p->x_zero) * taps[c];
            }
        }
    }
    return sum;
}

MIDGE_KERNEL void midge_transpose_conv_s8(
    const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias,
    const struct midge_transpose_conv_s8 *p) {
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
                    const int32_t sum = midge_gathered_sum_s8(
                        x, weights + o * taps, row, column, rows, columns, bias[o], p);
                    const struct midge_factor factor = midge_factor_of(&p->factors, o);
                    const int32_t scaled = midge_rescale(sum, factor, &p->factors) + p->y_zero;
                    *y++ = midge_clamp_s8(scaled, p->low, p->high);
                }
            }
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
