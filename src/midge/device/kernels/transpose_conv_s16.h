/* transpose_conv, int16 with int8 weights, portable C.
   weights [out_c][kernel_h][kernel_w][in_c]. Each output gathers the inputs that reach it.
   A pixel is written while its sources are read. */
#include "sums_s16.h"
#include "transpose_window.h"

struct midge_transpose_conv_s16 {
    struct midge_transpose_window window;
    struct midge_sums_s16 sums;
};

MIDGE_KERNEL int64_t midge_gathered_sum_s16(
    const int16_t *x, const int8_t *weights, int32_t row, int32_t column, struct midge_sources rows,
    struct midge_sources columns, int64_t sum, const struct midge_transpose_conv_s16 *p) {
    const struct midge_transpose_window *w = &p->window;
    for (int32_t i = rows.first; i < rows.end; i++) {
        for (int32_t j = columns.first; j < columns.end; j++) {
            const int32_t tap = (row - i * w->stride_h) * w->kernel_w + column - j * w->stride_w;
            const int16_t *pixel = x + (i * w->in_w + j) * w->in_c;
            sum += midge_dot_s16(pixel, weights + tap * w->in_c, w->in_c, p->sums.narrow);
        }
    }
    return sum;
}

MIDGE_KERNEL void midge_transpose_conv_s16(
    const int16_t *x, int16_t *y, const int8_t *weights, const struct midge_transpose_conv_s16 *p) {
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
                    const int64_t sum = midge_gathered_sum_s16(
                        x, weights + o * taps, row, column, rows, columns, midge_bias_s16(&p->sums, o), p);
                    *y++ = midge_finish_s16(sum, o, &p->sums);
                }
            }
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
