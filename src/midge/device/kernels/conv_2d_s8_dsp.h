/* conv_2d, int8, with SMLAD: two pixels by two output channels at a time.
   weights: for each pair of outputs, words of four taps, alternating: [o][k..k+3], [o + 1][k..k+3]; taps
   rounded up to a multiple of 4 and outputs to a multiple of 2 with zeros.
   bias [outputs rounded up], with -x_zero * sum(weights) folded in.
   columns: scratch of 4 words for every 4 taps (both pixels, widened), then, unless rows of the window can
   be widened where they stand, the taps of one pixel as bytes.
   A pair of pixels is widened before its outputs are written. */
#include "dsp.h"
#include "requantize.h"
#include "window.h"

struct midge_conv_2d_dsp {
    struct midge_window window;
    int32_t taps; /* kernel_h * kernel_w * in_c rounded up to a multiple of 4 */
    int in_place; /* 1: in_c is a multiple of 4 and x stands on a word */
    int32_t x_zero, y_zero, low, high;
    struct midge_factors factors;
};

/* Widen one pixel's window into every second word of `column`. */
MIDGE_KERNEL void midge_widen_window_s8(
    const int8_t *image, int32_t row, int32_t column, uint32_t *target, int8_t *patch,
    const struct midge_conv_2d_dsp *p) {
    const struct midge_window *w = &p->window;
    if (!p->in_place) {
        midge_gather_s8(image, w, row, column, 0, w->in_c, (int8_t)p->x_zero, patch);
        midge_widen_s8(patch, p->taps, target, 2);
        return;
    }
    const uint32_t zeros = ((uint32_t)p->x_zero & 0xFFFFu) * 0x10001u;
    for (int32_t i = 0; i < w->kernel_h; i++) {
        const int32_t y = row + i * w->dilation_h;
        for (int32_t j = 0; j < w->kernel_w; j++) {
            const int32_t x = column + j * w->dilation_w;
            if (y >= 0 && y < w->in_h && x >= 0 && x < w->in_w) {
                midge_widen_s8(image + (y * w->in_w + x) * w->in_c, w->in_c, target, 2);
            } else {
                for (int32_t k = 0; k < w->in_c; k += 2) {
                    target[k] = zeros;
                }
            }
            target += w->in_c;
        }
    }
}

/* Four taps of two pixels (x) and two outputs (w): 16 multiply-accumulates in 15 instructions. */
MIDGE_KERNEL void midge_tile_2x2(
    const uint32_t **x, const int8_t **w, int32_t *s00, int32_t *s01, int32_t *s10, int32_t *s11) {
    uint32_t w0, w1, x0, x1, t;
    __asm__ volatile(
        "ldrd %[w0], %[w1], [%[w]], #8\n\t"
        "ldrd %[x0], %[x1], [%[x]], #8\n\t"
        "sxtb16 %[t], %[w0]\n\t"
        "smlad %[s00], %[x0], %[t], %[s00]\n\t"
        "smlad %[s10], %[x1], %[t], %[s10]\n\t"
        "sxtb16 %[t], %[w1]\n\t"
        "smlad %[s01], %[x0], %[t], %[s01]\n\t"
        "smlad %[s11], %[x1], %[t], %[s11]\n\t"
        "ldrd %[x0], %[x1], [%[x]], #8\n\t"
        "sxtb16 %[t], %[w0], ror #8\n\t"
        "smlad %[s00], %[x0], %[t], %[s00]\n\t"
        "smlad %[s10], %[x1], %[t], %[s10]\n\t"
        "sxtb16 %[t], %[w1], ror #8\n\t"
        "smlad %[s01], %[x0], %[t], %[s01]\n\t"
        "smlad %[s11], %[x1], %[t], %[s11]"
        : [x] "+r"(*x), [w] "+r"(*w), [s00] "+r"(*s00), [s01] "+r"(*s01), [s10] "+r"(*s10),
          [s11] "+r"(*s11), [w0] "=&r"(w0), [w1] "=&r"(w1), [x0] "=&r"(x0), [x1] "=&r"(x1), [t] "=&r"(t)
        :
        : "memory");
}

MIDGE_KERNEL void midge_conv_2d_s8_dsp(
    const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias, uint32_t *columns,
    const struct midge_conv_2d_dsp *p) {
    const struct midge_window *w = &p->window;
    const int32_t pixels = w->out_h * w->out_w;
    int8_t *patch = (int8_t *)(columns + p->taps);
    for (int32_t n = 0; n < w->batches; n++) {
        int32_t i = 0, j = 0;
        for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
            const int second = pixel + 1 < pixels;
            for (int32_t side = 0; side < 2; side++) {
                midge_widen_window_s8(
                    x, i * w->stride_h - w->pad_top, j * w->stride_w - w->pad_left, columns + side, patch, p);
                if (side == 0 && !second) {
                    continue; /* the last pixel stands alone: its neighbour is computed and dropped */
                }
                if (++j == w->out_w) {
                    j = 0;
                    i++;
                }
            }
            const int8_t *packed = weights;
            for (int32_t o = 0; o < w->out_c; o += 2) {
                const uint32_t *column = columns, *end = columns + p->taps;
                int32_t s00 = bias[o], s01 = bias[o + 1], s10 = s00, s11 = s01;
                if (p->taps % 8 == 0) {
                    do {
                        midge_tile_2x2(&column, &packed, &s00, &s01, &s10, &s11);
                        midge_tile_2x2(&column, &packed, &s00, &s01, &s10, &s11);
                    } while (column != end);
                } else {
                    do {
                        midge_tile_2x2(&column, &packed, &s00, &s01, &s10, &s11);
                    } while (column != end);
                }
                const struct midge_factor f0 = midge_factor_of(&p->factors, o);
                const int32_t v00 = midge_rescale(s00, f0, &p->factors) + p->y_zero;
                const int32_t v10 = midge_rescale(s10, f0, &p->factors) + p->y_zero;
                y[o] = midge_clamp_s8(v00, p->low, p->high);
                if (second) {
                    y[o + w->out_c] = midge_clamp_s8(v10, p->low, p->high);
                }
                if (w->out_c % 2 == 0 || o + 1 < w->out_c) {
                    const struct midge_factor f1 = midge_factor_of(&p->factors, o + 1);
                    const int32_t v01 = midge_rescale(s01, f1, &p->factors) + p->y_zero;
                    const int32_t v11 = midge_rescale(s11, f1, &p->factors) + p->y_zero;
                    y[o + 1] = midge_clamp_s8(v01, p->low, p->high);
                    if (second) {
                        y[o + 1 + w->out_c] = midge_clamp_s8(v11, p->low, p->high);
                    }
                }
            }
            y += second ? 2 * w->out_c : w->out_c;
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
