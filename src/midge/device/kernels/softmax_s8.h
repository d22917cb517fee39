/* softmax, int8 -> int8 of scale 1/256 and zero point -128, in Q0.31 as gemmlowp computes it.
   exponentials: scratch of `length` words. A row is read before it is written. */
#include "requantize.h"

struct midge_softmax {
    int32_t rows, length;
    int32_t multiplier, left_shift; /* beta * scale in Q5.26 */
    int32_t least;                  /* differences to the row's maximum under it count as zero */
};

/* exp(a) for a in [-1/4, 0): a Taylor polynomial around -1/8. */
MIDGE_KERNEL int32_t midge_exp_on_quarter(int32_t a) {
    const int32_t x = a + (1 << 28);
    const int32_t x2 = midge_multiply_high(x, x);
    const int32_t x3 = midge_multiply_high(x2, x);
    const int32_t x4 = midge_multiply_high(x2, x2);
    const int32_t tail = midge_multiply_high(midge_shift_right(x4, 2) + x3, 715827883) + x2;
    return 1895147668 + midge_multiply_high(x + midge_shift_right(tail, 1), 1895147668);
}

/* exp(a) in Q0.31 for a <= 0 in Q5.26. */
MIDGE_KERNEL int32_t midge_exp_on_negative(int32_t a) {
    static const int32_t factor[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int32_t quarter = 1 << 24;
    const int32_t fraction = (a & (quarter - 1)) - quarter;
    const int32_t remainder = fraction - a;
    int32_t result = midge_exp_on_quarter(fraction * 32);
    for (int32_t bit = 0; bit < 7; bit++) {
        if (((uint32_t)remainder >> (24 + bit)) & 1u) {
            result = midge_multiply_high(result, factor[bit]);
        }
    }
    return a == 0 ? INT32_MAX : result;
}

MIDGE_KERNEL int32_t midge_shift_left_saturating(int32_t value, int32_t bits) {
    const int32_t limit = INT32_MAX >> bits;
    if (value > limit) {
        return INT32_MAX;
    }
    return value < -limit ? INT32_MIN : value * (1 << bits);
}

/* 2^(31 - leading zeros) / value in Q0.31, by Newton's method; value > 0. */
MIDGE_KERNEL int32_t midge_reciprocal(int32_t value, int32_t *leading_zeros) {
    uint32_t normal = (uint32_t)value;
    *leading_zeros = 0;
    while ((normal & 0x80000000u) == 0) {
        normal <<= 1;
        ++*leading_zeros;
    }
    const int32_t half_denominator = (int32_t)(((uint64_t)(normal - 0x80000000u) + 0x80000000u) / 2u);
    int32_t x = 1515870810 + midge_multiply_high(half_denominator, -1010580540);
    for (int32_t i = 0; i < 3; i++) {
        const int32_t error = (1 << 29) - midge_multiply_high(half_denominator, x);
        x += midge_shift_left_saturating(midge_multiply_high(x, error), 2);
    }
    return midge_shift_left_saturating(x, 1);
}

MIDGE_KERNEL void midge_softmax_s8(const int8_t *x, int8_t *y, int32_t *exponentials, const struct midge_softmax *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        int32_t largest = INT8_MIN, sum = 0, leading_zeros;
        for (int32_t i = 0; i < p->length; i++) {
            largest = midge_max(largest, x[i]);
        }
        for (int32_t i = 0; i < p->length; i++) {
            const int32_t difference = x[i] - largest;
            exponentials[i] = 0;
            if (difference >= p->least) {
                const int32_t scaled = (int32_t)((uint32_t)difference << p->left_shift);
                exponentials[i] = midge_exp_on_negative(midge_multiply_high(scaled, p->multiplier));
                sum += midge_shift_right(exponentials[i], 12);
            }
        }
        const int32_t reciprocal = midge_reciprocal(sum, &leading_zeros);
        for (int32_t i = 0; i < p->length; i++) {
            const int32_t product = midge_multiply_high(reciprocal, exponentials[i]);
            const int32_t value = midge_shift_right(product, 12 - leading_zeros + 23) - 128;
            y[i] = midge_clamp_s8(value, INT8_MIN, INT8_MAX);
        }
        x += p->length;
        y += p->length;
    }
}
