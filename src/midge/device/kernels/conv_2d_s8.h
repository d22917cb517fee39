/* conv_2d, int8, portable C.
   weights [out_c][kernel_h][kernel_w][in_c / groups]; bias [out_c] with -x_zero * sum(weights) folded in.
   patch: kernel_h * kernel_w * in_c / groups bytes of scratch; unused where the kernel is 1x1, ungrouped
   and unpadded. A pixel's window is copied before its outputs are written. */
#include "requantize.h"
#include "window.h"

struct midge_conv_2d {
    struct midge_window window;
    int32_t groups;
    int32_t x_zero, y_zero, low, high;
    struct midge_factors factors;
};

MIDGE_KERNEL int32_t midge_dot_s8(const int8_t *a, const int8_t *b, int32_t count, int32_t sum) {
    for (int32_t i = 0; i < count; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

MIDGE_KERNEL void midge_conv_2d_s8(
    const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias, int8_t *patch,
    const struct midge_conv_2d *p) {
    const struct midge_window *w = &p->window;
    const int32_t channels = w->in_c / p->groups, outputs = w->out_c / p->groups;
    const int32_t taps = w->kernel_h * w->kernel_w * channels;
    const int pointwise = w->kernel_h * w->kernel_w * p->groups == 1 && patch == NULL;
    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t i = 0; i < w->out_h; i++) {
            for (int32_t j = 0; j < w->out_w; j++) {
                const int32_t row = i * w->stride_h - w->pad_top, column = j * w->stride_w - w->pad_left;
                for (int32_t g = 0; g < p->groups; g++) {
                    const int8_t *source = patch;
                    if (pointwise) {
                        source = x + (row * w->in_w + column) * w->in_c;
                    } else {
                        midge_gather_s8(x, w, row, column, g * channels, channels, (int8_t)p->x_zero, patch);
                    }
                    for (int32_t o = g * outputs; o < (g + 1) * outputs; o++) {
                        const int32_t sum = midge_dot_s8(source, weights + o * taps, taps, bias[o]);
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
