/* average_pool_2d and max_pool_2d, int8, that are handed one row of their windows at a time. What the rows so far
   come to stands in `held`, one number for each output column and channel, so that no row has to be kept.
   x: a row of the input; y: a row of the output, written with the last row of its windows; `row`: which row of the
   windows x is. Rows of the windows lie wholly in the image; columns outside it do not count. */
#include "clamp.h"
#include "pool_2d_integer.h"

struct midge_row_pool {
    struct midge_window window; /* of the whole layer */
    int32_t low, high;
};

/* `start`, `next` and `result` as in pool_2d.h. */
#define MIDGE_ROW_POOL_KERNEL(name, start, next, result)                                                               \
    MIDGE_KERNEL void name(const int8_t *x, int8_t *y, int32_t *held_row, int32_t row, const struct midge_row_pool *p) { \
        const struct midge_window *w = &p->window;                                                                     \
        const int last = row == w->kernel_h - 1;                                                                       \
        for (int32_t j = 0; j < w->out_w; j++) {                                                                       \
            const struct midge_span columns = midge_clip(j * w->stride_w - w->pad_left, w->kernel_w, w->in_w);         \
            const int32_t area = w->kernel_h * (columns.last - columns.first);                                         \
            for (int32_t c = 0; c < w->in_c; c++) {                                                                    \
                int32_t held = row == 0 ? (start) : held_row[j * w->in_c + c];                                         \
                for (int32_t k = columns.first; k < columns.last; k++) {                                               \
                    const int8_t tap = x[k * w->in_c + c];                                                             \
                    held = (next);                                                                                     \
                }                                                                                                      \
                if (last) {                                                                                            \
                    y[j * w->in_c + c] = midge_clamp_s8((result), p->low, p->high);                                    \
                } else {                                                                                               \
                    held_row[j * w->in_c + c] = held;                                                                  \
                }                                                                                                      \
            }                                                                                                          \
            (void)area;                                                                                                \
        }                                                                                                              \
    }

MIDGE_ROW_POOL_KERNEL(midge_row_average_pool_2d_s8, 0, held + tap, midge_mean(held, area))

MIDGE_ROW_POOL_KERNEL(midge_row_max_pool_2d_s8, INT8_MIN, midge_max(held, tap), held)
