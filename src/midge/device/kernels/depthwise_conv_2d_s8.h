/* depthwise_conv_2d, int8, portable C.
   weights [kernel_h * kernel_w][out_c]; bias [out_c] with -x_zero * sum(weights) folded in.
   taps: scratch of kernel_h * kernel_w offsets; outside: scratch of in_c bytes.
   A pixel is written while its window is read. */
#include "requantize.h"
#include "window.h"

struct midge_depthwise_conv_2d {
    struct midge_window window;
    int32_t x_zero, y_zero, low, high;
    struct midge_factors factors;
};

MIDGE_KERNEL void midge_depthwise_conv_2d_s8(
    const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias, int32_t *taps,
    int8_t *outside, const struct midge_depthwise_conv_2d *p) {
    const struct midge_window *w = &p->window;
    const int32_t count = w->kernel_h * w->kernel_w, multiplier = w->out_c / w->in_c;
    MIDGE_FILL(outside, (int8_t)p->x_zero, w->in_c);
    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t i = 0; i < w->out_h; i++) {
            for (int32_t j = 0; j < w->out_w; j++) {
                midge_locate_taps(
                    x, w, i * w->stride_h - w->pad_top, j * w->stride_w - w->pad_left, outside, taps);
                for (int32_t c = 0, o = 0; c < w->in_c; c++) {
                    for (int32_t m = 0; m < multiplier; m++, o++) {
                        int32_t sum = bias[o];
                        for (int32_t t = 0; t < count; t++) {
                            sum += x[taps[t] + c] * weights[t * w->out_c + o];
                        }
                        const struct midge_factor factor = midge_factor_of(&p->factors, o);
                        const int32_t scaled = midge_rescale(sum, factor, &p->factors) + p->y_zero;
                        *y++ = midge_clamp_s8(scaled, p->low, p->high);
                    }
                }
            }
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
