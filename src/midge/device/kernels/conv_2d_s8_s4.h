/* conv_2d, int8 with int4 weights, portable C.
   weights: rows of kernel_h * kernel_w * in_c / groups, one an output, as in int4.h; bias, patch and the order of
   reading and writing as in conv_2d_s8.h. */
#include "int4.h"
#include "requantize.h"
#include "window.h"

struct midge_conv_2d_s8_s4 {
    struct midge_window window;
    int32_t groups;
    int32_t x_zero, y_zero, low, high;
    struct midge_factors factors;
};

MIDGE_KERNEL void midge_conv_2d_s8_s4(
    const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias, int8_t *patch,
    const struct midge_conv_2d_s8_s4 *p) {
    const struct midge_window *w = &p->window;
    const int32_t channels = w->in_c / p->groups, outputs = w->out_c / p->groups;
    const int32_t taps = w->kernel_h * w->kernel_w * channels, row_bytes = (taps + 1) / 2;
    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t i = 0; i < w->out_h; i++) {
            for (int32_t j = 0; j < w->out_w; j++) {
                const int32_t row = i * w->stride_h - w->pad_top, column = j * w->stride_w - w->pad_left;
                for (int32_t g = 0; g < p->groups; g++) {
                    const int8_t *source = patch;
                    if (patch == NULL) {
                        source = x + (row * w->in_w + column) * w->in_c;
                    } else {
                        midge_gather_s8(x, w, row, column, g * channels, channels, (int8_t)p->x_zero, patch);
                    }
                    for (int32_t o = g * outputs; o < (g + 1) * outputs; o++) {
                        const int32_t sum = midge_dot_s8_s4(source, weights + o * row_bytes, taps, bias[o]);
                        const struct midge_factor factor = midge_factor_of(&p->factors, o);
                        const int32_t scaled = midge_rescale(sum, factor, &p->factors) + p->y_zero;
                        y[o] = midge_clamp_s8(scaled, p->low, p->high);
                    }
                }
                y += w->out_c;
            }
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
