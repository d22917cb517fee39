/* conv_2d, int8 with int4 weights, with SMLAD: two pixels by two output channels at a time.
   weights: for each pair of outputs, words of eight taps as in int4_dsp.h, alternating: [o][k..k+7],
   [o + 1][k..k+7]; taps rounded up to a multiple of 8 and outputs to a multiple of 2 with zeros.
   bias, and the order of reading and writing, as in conv_2d_s8_dsp.h; columns too, for p->taps, which is a multiple
   of 8 here: words past the window hold anything, their weights are zero. */
#include "conv_2d_s8_dsp.h"
#include "int4_dsp.h"

struct midge_conv_2d_s8_s4_dsp {
    struct midge_window window;
    int32_t taps; /* kernel_h * kernel_w * in_c rounded up to a multiple of 8 */
    int32_t block; /* taps that are summed before the sum is scaled back, a multiple of 8; see int4_dsp.h */
    int in_place; /* 1: in_c is a multiple of 4 and x stands on a word */
    int32_t x_zero, y_zero, low, high;
    struct midge_factors factors;
};

/* Eight taps of two pixels (x) and two outputs (w): 32 multiply-accumulates in 29 instructions. */
MIDGE_KERNEL void midge_tile_2x2_s4(
    const uint32_t **x, const uint32_t **w, int32_t *s00, int32_t *s01, int32_t *s10, int32_t *s11) {
    uint32_t w0, w1, x0, x1, t;
    __asm__ volatile(
        "ldrd %[w0], %[w1], [%[w]], #8\n\t"
        "ldrd %[x0], %[x1], [%[x]], #8\n\t"
        "and %[t], %[m], %[w0]\n\t"
        "smlad %[s00], %[x0], %[t], %[s00]\n\t"
        "smlad %[s10], %[x1], %[t], %[s10]\n\t"
        "and %[t], %[m], %[w1]\n\t"
        "smlad %[s01], %[x0], %[t], %[s01]\n\t"
        "smlad %[s11], %[x1], %[t], %[s11]\n\t"
        "ldrd %[x0], %[x1], [%[x]], #8\n\t"
        "and %[t], %[m], %[w0], lsl #4\n\t"
        "smlad %[s00], %[x0], %[t], %[s00]\n\t"
        "smlad %[s10], %[x1], %[t], %[s10]\n\t"
        "and %[t], %[m], %[w1], lsl #4\n\t"
        "smlad %[s01], %[x0], %[t], %[s01]\n\t"
        "smlad %[s11], %[x1], %[t], %[s11]\n\t"
        "ldrd %[x0], %[x1], [%[x]], #8\n\t"
        "and %[t], %[m], %[w0], lsl #8\n\t"
        "smlad %[s00], %[x0], %[t], %[s00]\n\t"
        "smlad %[s10], %[x1], %[t], %[s10]\n\t"
        "and %[t], %[m], %[w1], lsl #8\n\t"
        "smlad %[s01], %[x0], %[t], %[s01]\n\t"
        "smlad %[s11], %[x1], %[t], %[s11]\n\t"
        "ldrd %[x0], %[x1], [%[x]], #8\n\t"
        "and %[t], %[m], %[w0], lsl #12\n\t"
        "smlad %[s00], %[x0], %[t], %[s00]\n\t"
        "smlad %[s10], %[x1], %[t], %[s10]\n\t"
        "and %[t], %[m], %[w1], lsl #12\n\t"
        "smlad %[s01], %[x0], %[t], %[s01]\n\t"
        "smlad %[s11], %[x1], %[t], %[s11]"
        : [x] "+r"(*x), [w] "+r"(*w), [s00] "+r"(*s00), [s01] "+r"(*s01), [s10] "+r"(*s10),
          [s11] "+r"(*s11), [w0] "=&r"(w0), [w1] "=&r"(w1), [x0] "=&r"(x0), [x1] "=&r"(x1), [t] "=&r"(t)
        : [m] "r"(MIDGE_TOP_NIBBLES)
        : "memory");
}

MIDGE_KERNEL void midge_conv_2d_s8_s4_dsp(
    const int8_t *x, int8_t *y, const uint32_t *weights, const int32_t *bias, uint32_t *columns,
    const struct midge_conv_2d_s8_s4_dsp *p) {
    const struct midge_window *w = &p->window;
    const struct midge_conv_2d_dsp widened = {
        .window = p->window, .taps = p->taps, .in_place = p->in_place, .x_zero = p->x_zero};
    const int32_t pixels = w->out_h * w->out_w;
    int8_t *patch = (int8_t *)(columns + p->taps);
    for (int32_t n = 0; n < w->batches; n++) {
        int32_t i = 0, j = 0;
        for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
            const int second = pixel + 1 < pixels;
            for (int32_t side = 0; side < 2; side++) {
                midge_widen_window_s8(
                    x, i * w->stride_h - w->pad_top, j * w->stride_w - w->pad_left, columns + side, patch, &widened);
                if (side == 0 && !second) {
                    continue; /* the last pixel stands alone: its neighbour is computed and dropped */
                }
                if (++j == w->out_w) {
                    j = 0;
                    i++;
                }
            }
            const uint32_t *packed = weights;
            for (int32_t o = 0; o < w->out_c; o += 2) {
                const uint32_t *column = columns;
                int32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0, done = 0;
                do {
                    done = midge_min(done + p->block, p->taps);
                    const uint32_t *end = columns + done;
                    int32_t t00 = 0, t01 = 0, t10 = 0, t11 = 0;
                    if (p->taps % 16 == 0 && p->block % 16 == 0) {
                        do {
                            midge_tile_2x2_s4(&column, &packed, &t00, &t01, &t10, &t11);
                            midge_tile_2x2_s4(&column, &packed, &t00, &t01, &t10, &t11);
                        } while (column != end);
                    } else {
                        do {
                            midge_tile_2x2_s4(&column, &packed, &t00, &t01, &t10, &t11);
                        } while (column != end);
                    }
                    s00 += midge_unscale_s4(t00);
                    s01 += midge_unscale_s4(t01);
                    s10 += midge_unscale_s4(t10);
                    s11 += midge_unscale_s4(t11);
                } while (done != p->taps);
                /* Read only now: the tiles need every register. */
                s00 += bias[o];
                s01 += bias[o + 1];
                s10 += bias[o];
                s11 += bias[o + 1];
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
