/* depthwise_conv_2d, int8 with int4 weights, portable C.
   weights: rows of kernel_h * kernel_w, one an output channel, as in int4.h; bias, scratch and the order of reading
   and writing as in depthwise_conv_2d_s8.h. */
#include "int4.h"
#include "requantize.h"
#include "window.h"

struct midge_depthwise_conv_2d_s8_s4 {
    struct midge_window window;
    int32_t x_zero, y_zero, low, high;
    struct midge_factors factors;
};

MIDGE_KERNEL void midge_depthwise_conv_2d_s8_s4(
    const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias, int32_t *taps,
    int8_t *outside, const struct midge_depthwise_conv_2d_s8_s4 *p) {
    const struct midge_window *w = &p->window;
    const int32_t count = w->kernel_h * w->kernel_w, multiplier = w->out_c / w->in_c, whole = count / 2;
    MIDGE_FILL(outside, (int8_t)p->x_zero, w->in_c);
    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t i = 0; i < w->out_h; i++) {
            for (int32_t j = 0; j < w->out_w; j++) {
                midge_locate_taps(
                    x, w, i * w->stride_h - w->pad_top, j * w->stride_w - w->pad_left, outside, taps);
                const int8_t *pairs = weights;
                for (int32_t c = 0, o = 0; c < w->in_c; c++) {
                    for (int32_t m = 0; m < multiplier; m++, o++) {
                        int32_t sum = bias[o];
                        for (int32_t t = 0; t < whole; t++, pairs++) {
                            sum += x[taps[2 * t] + c] * midge_low_s4(*pairs);
                            sum += x[taps[2 * t + 1] + c] * midge_high_s4(*pairs);
                        }
                        if (count % 2 != 0) {
                            sum += x[taps[count - 1] + c] * midge_low_s4(*pairs++);
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
