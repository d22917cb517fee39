/* floor_div and floor_mod, float32, in integers: double precision, which the quotient goes through, would be computed
   in software on nearly every core. */
#include "float32.h"
#include "broadcast.h"

struct midge_floor_division {
    struct midge_broadcast shape;
    int is_remainder;
};

#define MIDGE_FLOAT_SIGN 0x80000000u
#define MIDGE_FLOAT_INFINITY 0x7F800000u
#define MIDGE_FLOAT_NAN 0x7FC00000u

/* mantissa * 2^(exponent - 150), the mantissa in [2^23, 2^24). */
struct midge_magnitude {
    uint32_t mantissa;
    int32_t exponent;
};

/* Of a float32 over 0, given as bits without a sign. */
MIDGE_KERNEL struct midge_magnitude midge_magnitude_of(uint32_t bits) {
    const uint32_t one = 1u << 23;
    struct midge_magnitude value = {bits, 1};
    if (bits >= one) {
        value.mantissa = (bits & (one - 1u)) | one;
        value.exponent = (int32_t)(bits >> 23);
    }
    while (value.mantissa < one) {
        value.mantissa <<= 1;
        value.exponent--;
    }
    return value;
}

/* The quotient's 53 leading bits, ties to even, as a float of 2^(exponent - 52) times that; exponent at least 29.
   Where a fraction is left it is cut, or goes up where the quotient is negative. */
MIDGE_KERNEL float midge_floor_of_double(uint32_t rest, uint32_t step, int32_t exponent, int is_negative) {
    uint64_t quotient = 0;
    for (int32_t k = 0; k < 53; k++) {
        quotient = quotient << 1 | (rest >= step ? 1u : 0u);
        rest = (rest >= step ? rest - step : rest) << 1;
    }
    if (rest > step || (rest == step && (quotient & 1u) != 0)) {
        quotient++;
    }
    if (exponent < 52) {
        const uint64_t fraction = ((uint64_t)1 << (52 - exponent)) - 1u;
        quotient = (quotient + (is_negative ? fraction : 0u)) >> (52 - exponent);
        exponent = 52;
    }
    const float whole = (float)quotient;
    uint32_t bits;
    MIDGE_COPY(&bits, &whole, sizeof bits);
    if ((int32_t)(bits >> 23) + exponent - 52 > 254) {
        bits = MIDGE_FLOAT_INFINITY;
    } else {
        bits += (uint32_t)(exponent - 52) << 23;
    }
    float result;
    MIDGE_COPY(&result, &bits, sizeof result);
    return result;
}

/* The quotient in double precision, rounded down, to float32. */
MIDGE_KERNEL float midge_floor_div_f32(float a, float b) {
    uint32_t dividend, divisor;
    MIDGE_COPY(&dividend, &a, sizeof dividend);
    MIDGE_COPY(&divisor, &b, sizeof divisor);
    const uint32_t left = dividend & ~MIDGE_FLOAT_SIGN, right = divisor & ~MIDGE_FLOAT_SIGN;
    const uint32_t sign = (dividend ^ divisor) & MIDGE_FLOAT_SIGN;
    uint32_t bits = sign; /* a zero with its sign, from 0 or by an infinity */
    if (left > MIDGE_FLOAT_INFINITY || right > MIDGE_FLOAT_INFINITY ||
        (left == right && (left == 0 || left == MIDGE_FLOAT_INFINITY))) {
        bits = MIDGE_FLOAT_NAN;
    } else if (right == 0 || left == MIDGE_FLOAT_INFINITY) {
        bits = sign | MIDGE_FLOAT_INFINITY;
    } else if (left != 0 && right != MIDGE_FLOAT_INFINITY) {
        const struct midge_magnitude step = midge_magnitude_of(right);
        struct midge_magnitude rest = midge_magnitude_of(left);
        int32_t exponent = rest.exponent - step.exponent;
        if (rest.mantissa < step.mantissa) {
            rest.mantissa <<= 1;
            exponent--;
        }
        float whole = sign != 0 ? 1.0f : 0.0f;
        if (exponent >= 29) {
            whole = midge_floor_of_double(rest.mantissa, step.mantissa, exponent, sign != 0);
        } else if (exponent >= 0) {
            /* So near to a whole number that double precision gives it is no quotient under 2^29 that is none. */
            uint32_t quotient = 0;
            for (; exponent >= 0; exponent--) {
                quotient = quotient << 1 | (rest.mantissa >= step.mantissa ? 1u : 0u);
                rest.mantissa = (rest.mantissa >= step.mantissa ? rest.mantissa - step.mantissa : rest.mantissa) << 1;
            }
            whole = (float)(quotient + (sign != 0 && rest.mantissa != 0 ? 1u : 0u));
        }
        return sign != 0 ? -whole : whole;
    }
    float result;
    MIDGE_COPY(&result, &bits, sizeof result);
    return result;
}

/* The remainder of truncating division of finite magnitudes, as bits of float32; the divisor is not 0. */
MIDGE_KERNEL uint32_t midge_remainder_of_bits(uint32_t dividend, uint32_t divisor) {
    if (dividend < divisor) {
        return dividend;
    }
    const uint32_t one = 1u << 23;
    const struct midge_magnitude step = midge_magnitude_of(divisor);
    struct midge_magnitude rest = midge_magnitude_of(dividend);
    /* The rest stays under twice the step; the step goes down to the divisor bit by bit. */
    for (; rest.exponent > step.exponent; rest.exponent--) {
        rest.mantissa = (rest.mantissa >= step.mantissa ? rest.mantissa - step.mantissa : rest.mantissa) << 1;
    }
    rest.mantissa = rest.mantissa >= step.mantissa ? rest.mantissa - step.mantissa : rest.mantissa;
    if (rest.mantissa == 0) {
        return 0;
    }
    while (rest.mantissa < one && rest.exponent > 1) {
        rest.mantissa <<= 1;
        rest.exponent--;
    }
    if (rest.exponent < 1) {
        return rest.mantissa >> (1 - rest.exponent); /* exact: a multiple of the least number */
    }
    return rest.mantissa < one ? rest.mantissa : (rest.mantissa & (one - 1u)) | (uint32_t)rest.exponent << 23;
}

/* The remainder with the divisor's sign: that of truncating division, plus the divisor where signs differ. */
MIDGE_KERNEL float midge_floor_mod_f32(float a, float b) {
    uint32_t dividend, divisor;
    MIDGE_COPY(&dividend, &a, sizeof dividend);
    MIDGE_COPY(&divisor, &b, sizeof divisor);
    const uint32_t left = dividend & ~MIDGE_FLOAT_SIGN, right = divisor & ~MIDGE_FLOAT_SIGN;
    uint32_t bits = MIDGE_FLOAT_NAN;
    if (left < MIDGE_FLOAT_INFINITY && right <= MIDGE_FLOAT_INFINITY && right != 0) {
        bits = (dividend & MIDGE_FLOAT_SIGN) | midge_remainder_of_bits(left, right);
    }
    float remainder;
    MIDGE_COPY(&remainder, &bits, sizeof remainder);
    const int crosses = (bits & ~MIDGE_FLOAT_SIGN) != 0 && (bits & ~MIDGE_FLOAT_SIGN) <= MIDGE_FLOAT_INFINITY && ((b < 0.0f) != (remainder < 0.0f));
    return crosses ? remainder + b : remainder;
}

MIDGE_KERNEL float midge_floor_division_element(float a, float b, const struct midge_floor_division *p) {
    return p->is_remainder ? midge_floor_mod_f32(a, b) : midge_floor_div_f32(a, b);
}

MIDGE_BROADCAST_2(midge_floor_division_f32, float, float, float, midge_floor_division, midge_floor_division_element)
