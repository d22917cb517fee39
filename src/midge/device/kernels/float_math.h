/* Elementary functions, float32 -> float32, equal in every bit to `midge/graph/float_math.py` on every core.
   They are computed in integers: no FPU, soft-float library or compiler option has a say in a bit, and a core without
   an FPU multiplies integers several times faster than floats. Errors, special values and the origin of each
   coefficient stand in the Python file. A core with a square root instruction uses it.

   Horner's rule runs on Q-numbers in int32 whose variable is a Q32 in [-1/2, 1/2). */
#include "leading_zeros.h"

#define MIDGE_ONE_F32 0x3F800000u
#define MIDGE_INFINITY_F32 0x7F800000u
#define MIDGE_NAN_F32 0x7FC00000u
#define MIDGE_SIGN_F32 0x80000000u

MIDGE_KERNEL uint32_t midge_bits_f32(float x) {
    uint32_t bits;
    MIDGE_COPY(&bits, &x, sizeof bits);
    return bits;
}

MIDGE_KERNEL float midge_from_bits_f32(uint32_t bits) {
    float x;
    MIDGE_COPY(&x, &bits, sizeof x);
    return x;
}

MIDGE_KERNEL int midge_is_nan_bits(uint32_t bits) { return (bits & ~MIDGE_SIGN_F32) > MIDGE_INFINITY_F32; }

/* A normal float is its mantissa, in [2^31, 2^32), times 2^(exponent - 158). */
MIDGE_KERNEL int32_t midge_exponent_of(uint32_t bits) { return (int32_t)(bits >> 23 & 0xFFu); }

MIDGE_KERNEL uint32_t midge_mantissa_of(uint32_t bits) { return bits << 8 | 0x80000000u; }

/* The upper half of the product, rounded down. */
#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)
/* These cores have no long multiplication. Four short ones are half the instructions of the routine for 64 bits, but
   not to be repeated for each coefficient. */
#define MIDGE_ROLLED _Pragma("GCC unroll 1")
MIDGE_KERNEL int32_t midge_high_s32(int32_t a, int32_t b) {
    const int32_t a_low = a & 0xFFFF, a_high = a >> 16, b_low = b & 0xFFFF, b_high = b >> 16;
    const int32_t middle = (int32_t)((uint32_t)a_low * (uint32_t)b_low >> 16) + a_high * b_low;
    return a_high * b_high + (middle >> 16) + (((middle & 0xFFFF) + a_low * b_high) >> 16);
}

MIDGE_KERNEL uint32_t midge_high_u32(uint32_t a, uint32_t b) {
    const uint32_t a_low = a & 0xFFFFu, a_high = a >> 16, b_low = b & 0xFFFFu, b_high = b >> 16;
    const uint32_t middle = (a_low * b_low >> 16) + a_high * b_low;
    return a_high * b_high + (middle >> 16) + (((middle & 0xFFFFu) + a_low * b_high) >> 16);
}
#else
#define MIDGE_ROLLED
MIDGE_KERNEL int32_t midge_high_s32(int32_t a, int32_t b) { return (int32_t)((int64_t)a * b >> 32); }

MIDGE_KERNEL uint32_t midge_high_u32(uint32_t a, uint32_t b) { return (uint32_t)((uint64_t)a * b >> 32); }
#endif

/* c[0] * u^(count - 1) + ... + c[count - 1]. */
MIDGE_KERNEL int32_t midge_polynomial(const int32_t *c, int32_t count, int32_t u) {
    int32_t sum = c[0];
    MIDGE_ROLLED
    for (int32_t k = 1; k < count; k++) {
        sum = midge_high_s32(sum, u) + c[k];
    }
    return sum;
}

/* mantissa * 2^exponent as a float, rounded to nearest, ties away from zero. The mantissa is not 0. */
MIDGE_KERNEL float midge_compose_f32(uint32_t sign, uint32_t mantissa, int32_t exponent) {
    const int32_t zeros = midge_leading_zeros(mantissa);
    int32_t biased = exponent + 158 - zeros, shift = 7; /* one bit less than goes, to round on */
    if (biased > 254) {
        return midge_from_bits_f32(sign | MIDGE_INFINITY_F32);
    }
    if (biased < 1) {
        shift = 8 - biased;
        biased = 1;
    }
    const uint32_t rounded = shift > 31 ? 0u : ((mantissa << zeros >> shift) + 1u) >> 1;
    /* The leading one of a normal number adds itself to the exponent. */
    return midge_from_bits_f32(sign | (((uint32_t)(biased - 1) << 23) + rounded));
}

struct midge_normal {
    uint32_t mantissa; /* in [2^31, 2^32) */
    int32_t exponent;
};

/* magnitude * 2^exponent, cut to 32 bits. The magnitude is not 0. */
MIDGE_KERNEL struct midge_normal midge_normalise(uint64_t magnitude, int32_t exponent) {
    uint32_t high = (uint32_t)(magnitude >> 32), low = (uint32_t)magnitude;
    exponent += 32;
    if (high == 0) {
        high = low;
        low = 0;
        exponent -= 32;
    }
    const int32_t zeros = midge_leading_zeros(high);
    const struct midge_normal normal = {high << zeros | low >> 1 >> (31 - zeros), exponent - zeros};
    return normal;
}

/* 2^y = mantissa * 2^(whole - 31) with mantissa = 2^31 + fraction * slope. */
struct midge_exp2 {
    uint32_t mantissa;
    int32_t whole, slope;
};

/* y is a Q32. */
MIDGE_KERNEL struct midge_exp2 midge_exp2_fixed(int64_t y) {
    static const int32_t c[6] = {330788, 2875639, 20655008, 119193019, 515882477, 1488522252};
    const int32_t fraction = (int32_t)(uint32_t)y;
    struct midge_exp2 result;
    result.whole = (int32_t)((y + ((int64_t)1 << 31)) >> 32);
    result.slope = midge_polynomial(c, 6, fraction);
    result.mantissa = 0x80000000u + (uint32_t)midge_high_s32(fraction, result.slope);
    return result;
}

/* 2^(factor * 2^exponent * |x|), or 2^-(...) where negative is not 0; an exponent of the latter is one unit further
   down, so that a power under one has a mantissa under 2^31 where `whole` is 0. One beyond 2^14 just stays beyond. */
MIDGE_KERNEL struct midge_exp2 midge_exp2_product(uint32_t factor, int32_t exponent, uint32_t x, uint32_t negative) {
    const int32_t shift = 126 - exponent - midge_exponent_of(x);
    const uint64_t product = (uint64_t)factor * midge_mantissa_of(x);
    const int64_t y = (int64_t)(product >> midge_max(16, midge_min(shift, 63)));
    return midge_exp2_fixed(negative != 0 ? ~y : y);
}

/* 1 - power as a Q31, of a power that is under one by more than rounding. */
MIDGE_KERNEL uint32_t midge_missing_to_one(struct midge_exp2 power) {
    return 0x80000000u - (power.mantissa >> midge_min(-power.whole, 31));
}

#define MIDGE_LOG2_E_Q31 3098164009u

MIDGE_KERNEL float midge_exp_f32(float x) {
    const uint32_t bits = midge_bits_f32(x);
    if (midge_is_nan_bits(bits)) {
        return x;
    }
    const struct midge_exp2 power = midge_exp2_product(MIDGE_LOG2_E_Q31, -31, bits, bits >> 31);
    return midge_compose_f32(0, power.mantissa, power.whole - 31);
}

MIDGE_KERNEL float midge_expm1_f32(float x) {
    const uint32_t bits = midge_bits_f32(x), sign = bits & MIDGE_SIGN_F32;
    if (midge_exponent_of(bits) < 102 || midge_is_nan_bits(bits)) {
        return x;
    }
    const struct midge_exp2 power = midge_exp2_product(MIDGE_LOG2_E_Q31, -31, bits, sign);
    uint32_t mantissa;
    int32_t exponent = -31;
    if (power.whole == 0) {
        /* Near zero x itself times a slope keeps all its digits. */
        const uint32_t slope = midge_high_u32(MIDGE_LOG2_E_Q31, (uint32_t)power.slope);
        mantissa = midge_high_u32(midge_mantissa_of(bits), slope);
        exponent = midge_exponent_of(bits) - 156;
    } else if (power.whole < 0) {
        mantissa = midge_missing_to_one(power);
    } else {
        mantissa = power.mantissa - (0x80000000u >> midge_min(power.whole, 31));
        exponent = power.whole - 31;
    }
    return midge_compose_f32(sign, mantissa, exponent);
}

/* 1 / (1 + power) as a Q32 for a power under one: three steps of Newton's method, each from below. */
MIDGE_KERNEL uint32_t midge_reciprocal_of_one_plus(struct midge_exp2 power) {
    const uint32_t denominator = 0x80000000u + (power.mantissa >> midge_min(-power.whole, 31));
    uint32_t reciprocal = 1993301259u - denominator;
    MIDGE_ROLLED
    for (int32_t k = 0; k < 3; k++) {
        const uint32_t correction = ~midge_high_u32(reciprocal, denominator);
        reciprocal = midge_high_u32(reciprocal, correction) << 1;
    }
    return reciprocal;
}

MIDGE_KERNEL float midge_logistic_f32(float x) {
    const uint32_t bits = midge_bits_f32(x);
    if (midge_is_nan_bits(bits)) {
        return x;
    }
    const struct midge_exp2 power = midge_exp2_product(MIDGE_LOG2_E_Q31, -31, bits, 1);
    uint32_t mantissa = midge_reciprocal_of_one_plus(power);
    int32_t exponent = -32;
    if ((bits & MIDGE_SIGN_F32) != 0) {
        mantissa = midge_high_u32(power.mantissa, mantissa);
        exponent = power.whole - 31;
    }
    return midge_compose_f32(0, mantissa, exponent);
}

/* x^2 as a Q32 for |x| < 1. */
MIDGE_KERNEL uint32_t midge_square_q32(uint32_t mantissa, int32_t exponent) {
    return midge_high_u32(mantissa, mantissa) >> midge_min(-64 - 2 * exponent, 31);
}

MIDGE_KERNEL float midge_tanh_f32(float x) {
    static const int32_t c[4] = {-55112724, 143056050, -357912578, 1073741822};
    const uint32_t bits = midge_bits_f32(x), sign = bits & MIDGE_SIGN_F32;
    int32_t exponent = midge_exponent_of(bits);
    uint32_t result;
    if (exponent < 114 || midge_is_nan_bits(bits)) {
        return x;
    }
    if (exponent < 125) {
        const uint32_t mantissa = midge_mantissa_of(bits);
        const int32_t square = (int32_t)midge_square_q32(mantissa, exponent - 158);
        result = midge_high_u32(mantissa, (uint32_t)midge_polynomial(c, 4, square));
        exponent -= 156;
    } else {
        const struct midge_exp2 power = midge_exp2_product(MIDGE_LOG2_E_Q31, -30, bits, 1);
        const uint32_t share = midge_high_u32(power.mantissa, midge_reciprocal_of_one_plus(power));
        result = 0x80000000u - 2u * (share >> midge_min(-power.whole, 31));
        exponent = -31;
    }
    return midge_compose_f32(sign, result, exponent);
}

MIDGE_KERNEL float midge_erf_f32(float x) {
    static const int32_t ratio_c[7] = {5397133, -27522816, 89134792, -230672488, 484626292, -807724989, 1211587904};
    static const int32_t tail_c[7] = {-36796040, 7732930, -30458521, 33205399, 731077926, 1036470239, 377918781};
    const uint32_t bits = midge_bits_f32(x), sign = bits & MIDGE_SIGN_F32;
    int32_t exponent = midge_exponent_of(bits);
    uint32_t result;
    if (bits == sign || midge_is_nan_bits(bits)) {
        return x;
    }
    if (exponent > 128) {
        return midge_from_bits_f32(sign | MIDGE_ONE_F32);
    }
    if (exponent < 127) {
        const uint32_t mantissa = exponent == 0 ? bits << 9 : midge_mantissa_of(bits);
        const int32_t half_square = (int32_t)(midge_square_q32(mantissa, exponent - 158) >> 1);
        result = midge_high_u32(mantissa, (uint32_t)midge_polynomial(ratio_c, 7, half_square));
        exponent -= 156;
    } else {
        /* (|x| - 2.5) / 4, then -log2 of what is missing to one. */
        const int32_t u = (int32_t)((midge_mantissa_of(bits) >> (128 - exponent)) - 0xA0000000u);
        result = midge_missing_to_one(midge_exp2_fixed((int64_t)midge_polynomial(tail_c, 7, u) * -128));
        exponent = -31;
    }
    return midge_compose_f32(sign, result, exponent);
}

struct midge_log2 {
    struct midge_normal magnitude;
    uint32_t sign;
};

/* log2 of a positive finite number that is not 1. */
MIDGE_KERNEL struct midge_log2 midge_log2_of(uint32_t bits) {
    static const int32_t c[12] = {-185426529, 332553910,  -337116818, 341453131,  -384500406,  442588340,
                                  -516478781, 619636314, -774538941, 1032721281, -1549082014, -1196803286};
    int32_t whole = 0;
    if (bits < 0x00800000u) {
        whole = 8 - midge_leading_zeros(bits);
        bits <<= -whole;
    }
    /* The mantissa is halved where it is over sqrt(2), so that a logarithm near zero has no other term. */
    const int32_t beyond = ((int32_t)bits - 0x3F3504F3) >> 23;
    whole += beyond;
    bits -= (uint32_t)beyond << 23;
    const int32_t fraction = (int32_t)(bits >= MIDGE_ONE_F32 ? bits << 9 : midge_mantissa_of(bits));
    const uint32_t slope = (uint32_t)midge_polynomial(c, 12, fraction);
    const int64_t log = (int64_t)whole * ((int64_t)1 << 55) + ((int64_t)fraction * slope >> 8);
    struct midge_log2 result;
    result.sign = log < 0 ? MIDGE_SIGN_F32 : 0;
    result.magnitude = midge_normalise((uint64_t)(log < 0 ? -log : log), -55);
    return result;
}

MIDGE_KERNEL float midge_log_f32(float x) {
    const uint32_t bits = midge_bits_f32(x);
    if ((bits & ~MIDGE_SIGN_F32) == 0) {
        return midge_from_bits_f32(MIDGE_SIGN_F32 | MIDGE_INFINITY_F32);
    }
    if (bits >= MIDGE_INFINITY_F32) {
        return midge_from_bits_f32(bits == MIDGE_INFINITY_F32 ? bits : MIDGE_NAN_F32);
    }
    if (bits == MIDGE_ONE_F32) {
        return 0.0f;
    }
    const struct midge_log2 log = midge_log2_of(bits);
    return midge_compose_f32(log.sign, midge_high_u32(log.magnitude.mantissa, 2977044472u), log.magnitude.exponent);
}

/* a^b. */
MIDGE_KERNEL float midge_power_f32(float a, float b) {
    uint32_t base = midge_bits_f32(a), sign = 0;
    const uint32_t bits = midge_bits_f32(b), magnitude = bits & ~MIDGE_SIGN_F32;
    if (base == MIDGE_ONE_F32 || magnitude == 0) {
        return midge_from_bits_f32(MIDGE_ONE_F32);
    }
    if (midge_is_nan_bits(base) || midge_is_nan_bits(bits)) {
        return midge_from_bits_f32(MIDGE_NAN_F32);
    }
    if ((base & MIDGE_SIGN_F32) != 0) {
        base &= ~MIDGE_SIGN_F32;
        /* The bits of b from its ones down; from 2^24 on, and at infinity, b is even. */
        const int32_t exponent = midge_exponent_of(bits);
        const uint32_t ones = exponent < 127   ? 1u
                              : exponent > 150 ? 0u
                                               : midge_mantissa_of(bits) << (exponent - 127);
        if ((ones & 0x7FFFFFFFu) != 0 && base != 0 && base != MIDGE_INFINITY_F32) {
            return midge_from_bits_f32(MIDGE_NAN_F32);
        }
        sign = ones == 0x80000000u ? MIDGE_SIGN_F32 : 0;
    }
    if (base == MIDGE_ONE_F32) {
        return midge_from_bits_f32(sign | base);
    }
    if (base == 0 || base == MIDGE_INFINITY_F32) {
        return midge_from_bits_f32(sign | ((base == 0) == (bits != magnitude) ? MIDGE_INFINITY_F32 : 0));
    }
    const struct midge_log2 log = midge_log2_of(base);
    const struct midge_exp2 power = midge_exp2_product(log.magnitude.mantissa, log.magnitude.exponent, magnitude,
                                                       log.sign ^ (bits & MIDGE_SIGN_F32));
    return midge_compose_f32(sign, power.mantissa, power.whole - 31);
}

/* sin(x + quarters * pi/2) for quarters 0 and 1. */
MIDGE_KERNEL float midge_sine_f32(float x, uint32_t quarters) {
    static const int32_t sine_c[4] = {-4940993, 85555784, -693597984, 1686629708};
    static const int32_t cosine_c[5] = {969979, -22398185, 272375211, -1324675867, 1073741824};
    /* 2/pi, 64 bits of zero before it. */
    static const uint32_t two_over_pi[8] = {0,           0,           0xA2F9836Eu, 0x4E441529u,
                                            0xFC2757D1u, 0xF534DDC0u, 0xDB629599u, 0x3C439041u};
    const uint32_t bits = midge_bits_f32(x), mantissa = midge_mantissa_of(bits);
    const int32_t exponent = midge_exponent_of(bits);
    if (exponent == 255) {
        return midge_from_bits_f32(MIDGE_NAN_F32);
    }
    if (exponent < 115) {
        return quarters == 0 ? x : midge_from_bits_f32(MIDGE_ONE_F32);
    }
    uint32_t sign = quarters == 0 ? bits & MIDGE_SIGN_F32 : 0;
    struct midge_normal rest = {midge_high_u32(mantissa, 2734261102u), exponent - 158};
    if (exponent >= 126) {
        /* |x| in quarter turns modulo 4 as a Q62; bits of 2/pi that only add whole turns are left out. */
        const uint32_t *from = two_over_pi + ((exponent - 96) >> 5);
        const uint32_t shift = (uint32_t)(exponent - 96) & 31u;
        uint32_t word[3];
        for (int32_t k = 0; k < 3; k++) {
            word[k] = from[k] << shift | from[k + 1] >> 1 >> (31u - shift);
        }
        const uint64_t turned = ((uint64_t)(mantissa * word[0]) << 32) + (uint64_t)mantissa * word[1] +
                                midge_high_u32(mantissa, word[2]);
        const int64_t nearest = (int64_t)(turned << 2);
        quarters += (uint32_t)((turned + ((uint64_t)1 << 61)) >> 62);
        rest = midge_normalise(nearest < 0 ? 0u - (uint64_t)nearest : (uint64_t)nearest, -64);
        if (nearest < 0 && (quarters & 1u) == 0) {
            sign ^= MIDGE_SIGN_F32;
        }
    }
    if ((quarters & 2u) != 0) {
        sign ^= MIDGE_SIGN_F32;
    }
    const int32_t square = (int32_t)midge_square_q32(rest.mantissa, rest.exponent);
    uint32_t result = (uint32_t)midge_polynomial(cosine_c, 5, square);
    int32_t result_exponent = -30;
    if ((quarters & 1u) == 0) {
        result = midge_high_u32(rest.mantissa, (uint32_t)midge_polynomial(sine_c, 4, square));
        result_exponent = rest.exponent + 2;
    }
    return midge_compose_f32(sign, result, result_exponent);
}

MIDGE_KERNEL float midge_sin_f32(float x) { return midge_sine_f32(x, 0); }

MIDGE_KERNEL float midge_cos_f32(float x) { return midge_sine_f32(x, 1); }

/* Replaces the bits of a positive finite number by its mantissa, in [2^23, 2^24); returns the biased exponent that goes
   with it, under 1 for subnormals. */
MIDGE_KERNEL int32_t midge_split_f32(uint32_t *bits) {
    int32_t exponent = (int32_t)(*bits >> 23);
    if (exponent == 0) {
        exponent = 9 - midge_leading_zeros(*bits);
        *bits <<= 1 - exponent;
    }
    *bits = (*bits & 0x007FFFFFu) | 0x00800000u;
    return exponent;
}

/* Correctly rounded. */
MIDGE_KERNEL float midge_sqrt_f32(float x) {
#if defined(__arm__) && defined(__ARM_FP) && (__ARM_FP & 4)
    float root;
    __asm__("vsqrt.f32 %0, %1" : "=t"(root) : "t"(x));
    return root;
#else
    const uint32_t bits = midge_bits_f32(x);
    if ((bits & ~MIDGE_SIGN_F32) == 0 || bits == MIDGE_INFINITY_F32) {
        return x;
    }
    if (bits > MIDGE_INFINITY_F32) {
        return midge_from_bits_f32(MIDGE_NAN_F32);
    }
    uint32_t rest = bits;
    const int32_t exponent = midge_split_f32(&rest);
    rest <<= (exponent & 1) != 0 ? 1 : 2;
    /* The root bit by bit: 24, and one to round on. It is never halfway between two floats. */
    uint32_t root = 0;
#pragma GCC unroll 1
    for (uint32_t bit = 0x01000000u; bit != 0; bit >>= 1) {
        const uint32_t least = 2u * root + bit;
        if (rest >= least) {
            rest -= least;
            root += bit;
        }
        rest <<= 1;
    }
    return midge_from_bits_f32(((uint32_t)((exponent - 1) >> 1) << 23) + 0x1F800000u + ((root + 1u) >> 1));
#endif
}

/* To the nearest whole number, halfway cases away from zero. */
MIDGE_KERNEL float midge_round_half_away_f32(float x) {
    const uint32_t bits = midge_bits_f32(x), sign = bits & MIDGE_SIGN_F32;
    const int32_t exponent = midge_exponent_of(bits) - 127;
    if (exponent >= 23) {
        return x;
    }
    if (exponent < 0) {
        return midge_from_bits_f32(sign | (exponent == -1 ? MIDGE_ONE_F32 : 0));
    }
    /* A half carries from the mantissa into the exponent as it should. */
    return midge_from_bits_f32((bits + (0x00400000u >> exponent)) & ~(0x007FFFFFu >> exponent));
}

/* Exact; halfway cases to the even number. What is rounded up to zero is +0. */
MIDGE_KERNEL float midge_round_half_even_f32(float x) {
    const uint32_t bits = midge_bits_f32(x), magnitude = bits & ~MIDGE_SIGN_F32;
    const int32_t exponent = midge_exponent_of(bits) - 127;
    if (exponent >= 23 || magnitude == 0) {
        return x;
    }
    if (exponent < 0) {
        return midge_from_bits_f32(magnitude > 0x3F000000u ? (bits & MIDGE_SIGN_F32) | MIDGE_ONE_F32 : 0u);
    }
    /* The bit above the fraction says whether the number is odd; at exponent 0 it is that of the biased exponent,
       which is odd as the leading one is. */
    const uint32_t odd = bits >> (23 - exponent) & 1u;
    return midge_from_bits_f32((bits + (0x003FFFFFu >> exponent) + odd) & ~(0x007FFFFFu >> exponent));
}

/* a / b, correctly rounded. The routine that compilers call on cores without the instruction is larger, slower on most,
   and zig's cuts subnormal quotients. */
MIDGE_KERNEL float midge_divide_f32(float a, float b) {
#if defined(__riscv_flen) || (defined(__ARM_FP) && (__ARM_FP & 4)) || !(defined(__arm__) || defined(__riscv))
    return a / b;
#else
    const uint32_t sign = (midge_bits_f32(a) ^ midge_bits_f32(b)) & MIDGE_SIGN_F32;
    uint32_t rest = midge_bits_f32(a) & ~MIDGE_SIGN_F32, divisor = midge_bits_f32(b) & ~MIDGE_SIGN_F32;
    if (rest > MIDGE_INFINITY_F32 || divisor > MIDGE_INFINITY_F32 ||
        (rest == divisor && (rest == 0 || rest == MIDGE_INFINITY_F32))) {
        return midge_from_bits_f32(MIDGE_NAN_F32);
    }
    if (rest == 0 || divisor == MIDGE_INFINITY_F32) {
        return midge_from_bits_f32(sign);
    }
    if (divisor == 0 || rest == MIDGE_INFINITY_F32) {
        return midge_from_bits_f32(sign | MIDGE_INFINITY_F32);
    }
    int32_t biased = 127 + midge_split_f32(&rest) - midge_split_f32(&divisor), shift = 2;
    if (rest < divisor) {
        rest <<= 1;
        biased--;
    }
    if (biased > 254) {
        return midge_from_bits_f32(sign | MIDGE_INFINITY_F32);
    }
    /* The quotient: 24 bits, one to round on, and one that tells of a rest. */
    uint32_t quotient = 1;
    rest -= divisor;
#if defined(__ARM_FEATURE_IDIV) || defined(__riscv_div)
    for (int32_t k = 0; k < 3; k++) {
        const uint32_t digit = (rest << 8) / divisor;
        rest = (rest << 8) - digit * divisor;
        quotient = quotient << 8 | digit;
    }
#else
#pragma GCC unroll 1
    for (int32_t k = 0; k < 24; k++) {
        rest <<= 1;
        quotient <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            quotient++;
        }
    }
#endif
    quotient = quotient << 1 | (rest != 0 ? 1u : 0u);
    if (biased < 1) {
        shift = midge_min(3 - biased, 27);
        biased = 1;
    }
    quotient += (1u << (shift - 1)) - 1u + (quotient >> shift & 1u); /* ties to even */
    return midge_from_bits_f32(sign | (((uint32_t)(biased - 1) << 23) + (quotient >> shift)));
#endif
}
