/* depthwise_conv_2d, int8, one output a channel, four channels at a time with SMLABB and SMLATT.
   Arguments as the portable kernel's; in_c is a multiple of 4, x and weights stand on words. */
#include "dsp.h"
#include "requantize.h"
#include "window.h"

struct midge_depthwise_conv_2d_dsp {
    struct midge_window window;
    int32_t x_zero, y_zero, low, high;
    struct midge_factors factors;
};

MIDGE_KERNEL int8_t midge_finish_channel(
    int32_t sum, int32_t channel, const struct midge_depthwise_conv_2d_dsp *p) {
    const struct midge_factor factor = midge_factor_of(&p->factors, channel);
    return midge_clamp_s8(midge_rescale(sum, factor, &p->factors) + p->y_zero, p->low, p->high);
}

MIDGE_KERNEL void midge_depthwise_conv_2d_s8_dsp(
    const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias, int32_t *taps,
    int8_t *outside, const struct midge_depthwise_conv_2d_dsp *p) {
    const struct midge_window *w = &p->window;
    const int32_t count = w->kernel_h * w->kernel_w;
    MIDGE_FILL(outside, (int8_t)p->x_zero, w->in_c);
    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t i = 0; i < w->out_h; i++) {
            for (int32_t j = 0; j < w->out_w; j++) {
                midge_locate_taps(
                    x, w, i * w->stride_h - w->pad_top, j * w->stride_w - w->pad_left, outside, taps);
                for (int32_t c = 0; c < w->in_c; c += 4) {
                    int32_t s0 = bias[c], s1 = bias[c + 1], s2 = bias[c + 2], s3 = bias[c + 3];
                    for (int32_t t = 0; t < count; t++) {
                        const uint32_t xs = midge_load_u32(x + taps[t] + c);
                        const uint32_t ws = midge_load_u32(weights + t * w->out_c + c);
                        const uint32_t x02 = midge_sxtb16(xs), w02 = midge_sxtb16(ws);
                        s0 = midge_smlabb(x02, w02, s0);
                        s2 = midge_smlatt(x02, w02, s2);
                        const uint32_t x13 = midge_sxtb16_ror8(xs), w13 = midge_sxtb16_ror8(ws);
                        s1 = midge_smlabb(x13, w13, s1);
                        s3 = midge_smlatt(x13, w13, s3);
                    }
                    y[0] = midge_finish_channel(s0, c, p);
                    y[1] = midge_finish_channel(s1, c + 1, p);
                    y[2] = midge_finish_channel(s2, c + 2, p);
                    y[3] = midge_finish_channel(s3, c + 3, p);
                    y += 4;
                }
            }
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
