/* average_pool_2d and max_pool_2d, int8, portable C. Taps outside the image do not count.
   A pixel is written while its window is read. */
#include "window.h"

struct midge_pool_2d {
    struct midge_window window;
    int32_t low, high;
};

/* The part of a window along one dimension that lies in the image: [first, last). */
struct midge_span {
    int32_t first, last;
};

MIDGE_KERNEL struct midge_span midge_clip(int32_t start, int32_t length, int32_t extent) {
    const struct midge_span span = {midge_max(start, 0), midge_min(start + length, extent)};
    return span;
}

/* sum / count, rounded half away from zero. */
MIDGE_KERNEL int32_t midge_mean(int32_t sum, int32_t count) {
    return sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
}

MIDGE_KERNEL void midge_average_pool_2d_s8(const int8_t *x, int8_t *y, const struct midge_pool_2d *p) {
    const struct midge_window *w = &p->window;
    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t i = 0; i < w->out_h; i++) {
            const struct midge_span rows = midge_clip(i * w->stride_h - w->pad_top, w->kernel_h, w->in_h);
            for (int32_t j = 0; j < w->out_w; j++) {
                const struct midge_span columns = midge_clip(j * w->stride_w - w->pad_left, w->kernel_w, w->in_w);
                const int32_t count = (rows.last - rows.first) * (columns.last - columns.first);
                for (int32_t c = 0; c < w->in_c; c++) {
                    int32_t sum = 0;
                    for (int32_t r = rows.first; r < rows.last; r++) {
                        for (int32_t k = columns.first; k < columns.last; k++) {
                            sum += x[(r * w->in_w + k) * w->in_c + c];
                        }
                    }
                    *y++ = midge_clamp_s8(midge_mean(sum, count), p->low, p->high);
                }
            }
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}

MIDGE_KERNEL void midge_max_pool_2d_s8(const int8_t *x, int8_t *y, const struct midge_pool_2d *p) {
    const struct midge_window *w = &p->window;
    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t i = 0; i < w->out_h; i++) {
            const struct midge_span rows = midge_clip(i * w->stride_h - w->pad_top, w->kernel_h, w->in_h);
            for (int32_t j = 0; j < w->out_w; j++) {
                const struct midge_span columns = midge_clip(j * w->stride_w - w->pad_left, w->kernel_w, w->in_w);
                for (int32_t c = 0; c < w->in_c; c++) {
                    int32_t largest = INT8_MIN;
                    for (int32_t r = rows.first; r < rows.last; r++) {
                        for (int32_t k = columns.first; k < columns.last; k++) {
                            largest = midge_max(largest, x[(r * w->in_w + k) * w->in_c + c]);
                        }
                    }
                    *y++ = midge_clamp_s8(largest, p->low, p->high);
                }
            }
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
