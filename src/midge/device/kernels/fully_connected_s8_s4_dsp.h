/* fully_connected, int8 with int4 weights, with SMLAD: two outputs at a time.
   weights: for each pair of outputs, words of eight features as in int4_dsp.h, alternating; features rounded up to a
   multiple of 8 and outputs to a multiple of 2 with zeros.
   row: scratch of p->padded halves, a multiple of 8 here: halves past the features hold anything, their weights are
   zero. A row is widened before its outputs are written. */
#include "fully_connected_s8_dsp.h"
#include "int4_dsp.h"

struct midge_fully_connected_s8_s4_dsp {
    int32_t rows, features, outputs;
    int32_t padded; /* features rounded up to a multiple of 8 */
    int32_t block; /* features that are summed before the sum is scaled back, a multiple of 8; see int4_dsp.h */
    int32_t y_zero, low, high;
    struct midge_factors factors;
};

/* Eight features of one row (x) and two outputs (w): 16 multiply-accumulates in 19 instructions. */
MIDGE_KERNEL void midge_tile_1x2_s4(const uint32_t **x, const uint32_t **w, int32_t *s0, int32_t *s1) {
    uint32_t w0, w1, x0, x1, t;
    __asm__ volatile(
        "ldrd %[w0], %[w1], [%[w]], #8\n\t"
        "ldrd %[x0], %[x1], [%[x]], #8\n\t"
        "and %[t], %[m], %[w0]\n\t"
        "smlad %[s0], %[x0], %[t], %[s0]\n\t"
        "and %[t], %[m], %[w1]\n\t"
        "smlad %[s1], %[x0], %[t], %[s1]\n\t"
        "and %[t], %[m], %[w0], lsl #4\n\t"
        "smlad %[s0], %[x1], %[t], %[s0]\n\t"
        "and %[t], %[m], %[w1], lsl #4\n\t"
        "smlad %[s1], %[x1], %[t], %[s1]\n\t"
        "ldrd %[x0], %[x1], [%[x]], #8\n\t"
        "and %[t], %[m], %[w0], lsl #8\n\t"
        "smlad %[s0], %[x0], %[t], %[s0]\n\t"
        "and %[t], %[m], %[w1], lsl #8\n\t"
        "smlad %[s1], %[x0], %[t], %[s1]\n\t"
        "and %[t], %[m], %[w0], lsl #12\n\t"
        "smlad %[s0], %[x1], %[t], %[s0]\n\t"
        "and %[t], %[m], %[w1], lsl #12\n\t"
        "smlad %[s1], %[x1], %[t], %[s1]"
        : [x] "+r"(*x), [w] "+r"(*w), [s0] "+r"(*s0), [s1] "+r"(*s1), [w0] "=&r"(w0), [w1] "=&r"(w1),
          [x0] "=&r"(x0), [x1] "=&r"(x1), [t] "=&r"(t)
        : [m] "r"(MIDGE_TOP_NIBBLES)
        : "memory");
}

MIDGE_KERNEL void midge_fully_connected_s8_s4_dsp(
    const int8_t *x, int8_t *y, const uint32_t *weights, const int32_t *bias, uint32_t *row,
    const struct midge_fully_connected_s8_s4_dsp *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        const uint32_t *packed = weights;
        midge_widen_row_s8(x, p->features, row);
        for (int32_t o = 0; o < p->outputs; o += 2) {
            const uint32_t *column = row;
            int32_t s0 = 0, s1 = 0, done = 0;
            do {
                done = midge_min(done + p->block, p->padded);
                const uint32_t *end = row + done / 2;
                int32_t t0 = 0, t1 = 0;
                if (p->padded % 16 == 0 && p->block % 16 == 0) {
                    do {
                        midge_tile_1x2_s4(&column, &packed, &t0, &t1);
                        midge_tile_1x2_s4(&column, &packed, &t0, &t1);
                    } while (column != end);
                } else {
                    do {
                        midge_tile_1x2_s4(&column, &packed, &t0, &t1);
                    } while (column != end);
                }
                s0 += midge_unscale_s4(t0);
                s1 += midge_unscale_s4(t1);
            } while (done != p->padded);
            s0 += bias[o];
            s1 += bias[o + 1];
            const int32_t v0 = midge_rescale(s0, midge_factor_of(&p->factors, o), &p->factors);
            *y++ = midge_clamp_s8(v0 + p->y_zero, p->low, p->high);
            if (p->outputs % 2 == 0 || o + 1 < p->outputs) {
                const int32_t v1 = midge_rescale(s1, midge_factor_of(&p->factors, o + 1), &p->factors);
                *y++ = midge_clamp_s8(v1 + p->y_zero, p->low, p->high);
            }
        }
        x += p->features;
    }
}
