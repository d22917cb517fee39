/* Transcendental functions on fixed-point numbers, as gemmlowp computes them. Qm.n has m integer and n fraction
   bits. */
#include "leading_zeros.h"
#include "requantize.h"

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

/* 1 / (1 + fraction) in Q0.31, by Newton's method; fraction in [0, 1). */
MIDGE_KERNEL int32_t midge_reciprocal_of(uint32_t fraction) {
    const int32_t half_denominator = (int32_t)(((uint64_t)fraction + 0x80000000u) / 2u);
    int32_t x = 1515870810 + midge_multiply_high(half_denominator, -1010580540);
    for (int32_t i = 0; i < 3; i++) {
        const int32_t error = (1 << 29) - midge_multiply_high(half_denominator, x);
        x += midge_shift_left_saturating(midge_multiply_high(x, error), 2);
    }
    return midge_shift_left_saturating(x, 1);
}

/* 2^(31 - leading zeros) / value in Q0.31; value > 0. */
MIDGE_KERNEL int32_t midge_reciprocal(int32_t value, int32_t *leading_zeros) {
    uint32_t normal = (uint32_t)value;
    *leading_zeros = midge_bring_up(&normal);
    return midge_reciprocal_of(normal - 0x80000000u);
}
