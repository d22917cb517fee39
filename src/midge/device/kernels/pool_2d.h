/* average_pool_2d, max_pool_2d, l2_pool_2d: what they share. Taps outside the image do not count.
   A pixel is written while its window is read, each channel after all of its taps. */
#include "window.h"

/* The part of a window along one dimension that lies in the image: [first, last). */
struct midge_span {
    int32_t first, last;
};

MIDGE_KERNEL struct midge_span midge_clip(int32_t start, int32_t length, int32_t extent) {
    const struct midge_span span = {midge_max(start, 0), midge_min(start + length, extent)};
    return span;
}

MIDGE_KERNEL int32_t midge_area(struct midge_span rows, struct midge_span columns) {
    return (rows.last - rows.first) * (columns.last - columns.first);
}

/* A pooling kernel over NHWC images of `element`. `held` starts as `start`; at each `tap`, row by row, it becomes
   `next`; `result` is written. `params` is the struct of its parameters, with a member `window`. */
#define MIDGE_POOL_2D_KERNEL(name, params, element, accumulator, start, next, result)                                  \
    MIDGE_KERNEL void name(const element *x, element *y, const struct params *p) {                                     \
        const struct midge_window *w = &p->window;                                                                     \
        for (int32_t n = 0; n < w->batches; n++) {                                                                     \
            for (int32_t i = 0; i < w->out_h; i++) {                                                                   \
                const struct midge_span rows = midge_clip(i * w->stride_h - w->pad_top, w->kernel_h, w->in_h);         \
                for (int32_t j = 0; j < w->out_w; j++) {                                                               \
                    const struct midge_span columns = midge_clip(j * w->stride_w - w->pad_left, w->kernel_w, w->in_w); \
                    for (int32_t c = 0; c < w->in_c; c++) {                                                            \
                        accumulator held = (start);                                                                    \
                        for (int32_t r = rows.first; r < rows.last; r++) {                                             \
                            for (int32_t k = columns.first; k < columns.last; k++) {                                   \
                                const element tap = x[(r * w->in_w + k) * w->in_c + c];                                \
                                held = (next);                                                                         \
                            }                                                                                          \
                        }                                                                                              \
                        *y++ = (result);                                                                               \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
            x += w->in_h * w->in_w * w->in_c;                                                                          \
        }                                                                                                              \
    }
