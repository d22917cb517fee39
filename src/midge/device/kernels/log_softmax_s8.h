/* log_softmax, int8 -> int8 of scale 1/16 and zero point 127, in Q5.26 as TFLite Micro computes it.
   A row is read wholly before it is written, element by element. */
#include "softmax_s8.h"

struct midge_log_softmax {
    struct midge_softmax softmax;
    struct midge_factors inverse; /* from Q5.26 to steps of the input */
};

/* ln(value) in Q5.26 of a value in Q12.19 that is at least 1. The mantissa is brought to [2^-0.5, 1] around a power of
   two in two ways, of which the smaller applies; then a rational function around 2^-0.25. */
MIDGE_KERNEL int32_t midge_log_q5(int32_t value) {
    const int32_t sqrt_half = 1518500250, fourth_root_half = 1805811301, one = 1 << 25;
    const int32_t zeros_a = midge_leading_zeros((uint32_t)value);
    const int32_t product = midge_multiply_high((int32_t)((uint32_t)value << (zeros_a - 1)), sqrt_half);
    const int32_t zeros_b = midge_leading_zeros((uint32_t)midge_multiply_high(value, sqrt_half)) - 1;
    const int32_t doubled = midge_shift_left_saturating(product, 1);
    const int32_t r = midge_min(doubled, midge_shift_left_saturating(value, zeros_b));
    const int32_t power = midge_max((12 - zeros_a) * one + one / 4, (12 - zeros_b) * one - one / 4);

    const int32_t p = (int32_t)(((int64_t)r + fourth_root_half + 1) / 2);
    const int32_t q = 2 * (r - fourth_root_half);
    const int32_t square = midge_multiply_high(q, q);
    const int32_t numerator =
        midge_multiply_high(q, r) + midge_multiply_high(midge_multiply_high(q, square), 117049297);
    const int32_t denominator =
        midge_multiply_high(p, 1057819769 + q + midge_multiply_high(square, 127690142)) +
        midge_multiply_high(q, 638450708);
    const int32_t inverse = midge_reciprocal_of((uint32_t)denominator);
    const int32_t quotient = midge_multiply_high(midge_shift_right(numerator, 6), inverse);
    return midge_shift_left_saturating(midge_multiply_high(power, 1488522236) + quotient, 1);
}

MIDGE_KERNEL void midge_log_softmax_s8(const int8_t *x, int8_t *y, const struct midge_log_softmax *p) {
    const struct midge_softmax *s = &p->softmax;
    for (int32_t r = 0; r < s->rows; r++) {
        const int32_t largest = midge_row_maximum_s8(x, s->length);
        int32_t sum = 0;
        for (int32_t i = 0; i < s->length; i++) {
            if (x[i] - largest >= s->least) {
                const int32_t argument = midge_softmax_argument(x[i] - largest, s);
                sum += midge_shift_right(midge_exp_on_negative(argument), 12);
            }
        }
        const int32_t log = midge_log_q5(sum);
        /* Differences beyond leave Q5.26 when the logarithm is taken off. */
        const int32_t beyond = midge_rescale(INT32_MIN + log, midge_factor_of(&p->inverse, 0), &p->inverse);
        const int32_t least = midge_max(beyond, s->least - 1);
        for (int32_t i = 0; i < s->length; i++) {
            int32_t value = INT8_MIN;
            if (x[i] - largest > least) {
                const uint32_t argument = (uint32_t)midge_softmax_argument(x[i] - largest, s);
                value = midge_shift_right((int32_t)(argument - (uint32_t)log), 22) + INT8_MAX;
            }
            y[i] = midge_clamp_s8(value, INT8_MIN, INT8_MAX);
        }
        x += s->length;
        y += s->length;
    }
}
