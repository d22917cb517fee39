/* From int32 sums to int8: multiply by multiplier * 2^(-31 - shift), with multiplier 0 or in [2^30, 2^31). */
#include "base.h"

enum midge_rounding {
    MIDGE_TFLITE_DOUBLE, /* a rounding doubling high multiply, then a rounding shift */
    MIDGE_SINGLE,        /* one 64-bit product, one rounding shift */
    MIDGE_HALF_EVEN      /* a product in float32, rounded half to even: the factor is a float32 */
};

/* The factors of a layer. Exactly one of three forms is used:
   packed: word = (multiplier - 2^30) | extra << 30, shift = base_shift + extra, one a channel;
   split:  multiplier[channel], shift[channel];
   one:    one_multiplier, base_shift for all channels. */
struct midge_factors {
    const uint32_t *packed;
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t one_multiplier;
    int32_t base_shift;
    enum midge_rounding rounding;
    int narrow; /* 1: every |sum| < 2^30 and every shift in [1, 31] */
    int wide;   /* 1: a rescaled sum may reach 2^30 and beyond; it is then held at this, far outside int8 */
};

struct midge_factor {
    int32_t multiplier;
    int32_t shift; /* to the right; negative: to the left, before the multiplication */
};

MIDGE_KERNEL struct midge_factor midge_factor_of(const struct midge_factors *factors, int32_t channel) {
    struct midge_factor factor = {factors->one_multiplier, factors->base_shift};
    if (factors->packed != NULL) {
        const uint32_t word = factors->packed[channel];
        factor.multiplier = (int32_t)((word & 0x3FFFFFFFu) | 0x40000000u);
        factor.shift = factors->base_shift + (int32_t)(word >> 30);
    } else if (factors->multiplier != NULL) {
        factor.multiplier = factors->multiplier[channel];
        factor.shift = factors->shift[channel];
    }
    return factor;
}

/* round(value * multiplier / 2^31), ties up. */
MIDGE_KERNEL int32_t midge_multiply_high(int32_t value, int32_t multiplier) {
    return (int32_t)(((int64_t)value * multiplier + (1 << 30)) >> 31);
}

/* value / 2^shift rounded half away from zero; shift in [0, 31]. */
MIDGE_KERNEL int32_t midge_shift_right(int32_t value, int32_t shift) {
    const int32_t mask = (int32_t)((1u << shift) - 1u);
    const int32_t threshold = (mask >> 1) + (value < 0 ? 1 : 0);
    return (value >> shift) + ((value & mask) > threshold ? 1 : 0);
}

/* A zero point may be added to what comes out; the clamp that follows cannot tell it from the exact value. */
MIDGE_KERNEL int32_t midge_hold(int64_t scaled) {
    const int32_t far = 1 << 30;
    return scaled > far ? far : scaled < -far ? -far : (int32_t)scaled;
}

/* addend + value * multiplier / 2^31, rounded down; |value| < 2^30. */
MIDGE_KERNEL int32_t midge_add_high(int32_t value, int32_t multiplier, int32_t addend) {
    const int32_t doubled = (int32_t)((uint32_t)value << 1);
#if defined(MIDGE_DSP)
    return midge_smmla(doubled, multiplier, addend);
#else
    return (int32_t)((int64_t)doubled * multiplier >> 32) + addend;
#endif
}

/* The nearest float32 of an integer from 2^24 on, ties to even. */
MIDGE_KERNEL int64_t midge_cut_to_24_bits(int32_t value) {
    uint32_t magnitude = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
    int32_t excess = 1;
    while (magnitude >> excess >= 1u << 24) {
        excess++;
    }
    magnitude += (1u << (excess - 1)) - 1u + (magnitude >> excess & 1u);
    magnitude = magnitude >> excess << excess;
    return value < 0 ? -(int64_t)magnitude : (int64_t)magnitude;
}

/* `rounded` is a number of under 2^18 rounded half up, `rest` what was cut off, in units of 2^-shift, near 0 or near
   2^shift. So the number lies near a tie; should its float32 be the tie itself, the even neighbour is the result. */
MIDGE_KERNEL int32_t midge_settle_tie(int32_t rounded, uint64_t rest, int32_t shift) {
    const int is_above = rest >> (shift - 1) == 0;
    const int32_t doubled = 2 * rounded + (is_above ? -1 : 1);
    const uint64_t distance = is_above ? rest : ((uint64_t)1 << shift) - rest;
    uint32_t magnitude = (uint32_t)(doubled < 0 ? -doubled : doubled);
    /* Floats lie closer below a power of two. */
    int32_t exponent = shift - 25 - (magnitude == 1 && is_above == (doubled < 0) ? 1 : 0);
    while (magnitude > 1) {
        magnitude >>= 1;
        exponent++;
    }
    if (distance == 0 || (exponent >= 0 && distance <= (uint64_t)1 << exponent)) {
        return (rounded & 1) == 0 ? rounded : rounded + (is_above ? -1 : 1);
    }
    return rounded;
}

/* What the float32 product would be rounded to, held at 2^17: computed in integers, so that cores without an FPU, and
   files that are compiled with any options, give the same. One function, not one in every loop. */
static __attribute__((noinline, unused)) int32_t midge_rescale_near_tie(int32_t value, struct midge_factor factor) {
    const int32_t far = 1 << 17, shift = 31 + factor.shift;
    int64_t product = (int64_t)value * factor.multiplier;
    if (value >= 1 << 24 || value <= -(1 << 24)) {
        product = midge_cut_to_24_bits(value) * factor.multiplier;
    }
    const int64_t raised = product + ((int64_t)1 << (shift - 1)), scaled = raised >> shift;
    if (scaled > far || scaled < -far) {
        return scaled > far ? far : -far;
    }
    const uint64_t one = (uint64_t)1 << shift, rest = (uint64_t)raised & (one - 1u), near = one >> 7;
    if (((rest + near) & (one - 1u)) <= 2u * near) {
        return midge_settle_tie((int32_t)scaled, rest, shift);
    }
    return (int32_t)scaled;
}

MIDGE_KERNEL int32_t midge_rescale_half_even(int32_t value, struct midge_factor factor, int narrow) {
    if (narrow && (uint32_t)value + (1u << 24) <= 1u << 25) {
        /* Far from a tie, as most are: the upper word tells that already. */
        const uint32_t one = 1u << factor.shift, near = one >> 7 | 1u;
        const int32_t raised = midge_add_high(value, factor.multiplier, 1 << (factor.shift - 1));
        if ((((uint32_t)raised + near) & (one - 1u)) > 2u * near) {
            return raised >> factor.shift;
        }
    }
    return midge_rescale_near_tie(value, factor);
}

MIDGE_KERNEL int32_t midge_rescale(int32_t value, struct midge_factor factor, const struct midge_factors *factors) {
    if (factors->rounding == MIDGE_HALF_EVEN) {
        return midge_rescale_half_even(value, factor, factors->narrow);
    }
    if (factors->rounding == MIDGE_SINGLE) {
        if (factors->narrow) {
            /* Of twice the product only the upper word counts: the half that rounds is a whole number of it. */
            return midge_add_high(value, factor.multiplier, 1 << (factor.shift - 1)) >> factor.shift;
        }
        const int32_t shift = 31 + factor.shift;
        const int64_t scaled = ((int64_t)value * factor.multiplier + ((int64_t)1 << (shift - 1))) >> shift;
        return factors->wide ? midge_hold(scaled) : (int32_t)scaled;
    }
    if (factors->narrow) {
        /* The half that rounds the shift is added before the sign correction: where the product rounds to
           zero the correction changes nothing, elsewhere it has the sign of the sum. */
        const int32_t half = 1 << (factor.shift - 1);
#if defined(MIDGE_DSP)
        const int32_t high = midge_smmlar((int32_t)((uint32_t)value << 1), factor.multiplier, half);
#else
        const int32_t high = midge_multiply_high(value, factor.multiplier) + half;
#endif
        return (high + (value >> 31)) >> factor.shift;
    }
    int32_t scaled;
    if (factor.shift < 0) {
        /* A left shift wraps around, as on every runtime. */
        scaled = midge_multiply_high((int32_t)((uint32_t)value << -factor.shift), factor.multiplier);
    } else {
        scaled = midge_shift_right(midge_multiply_high(value, factor.multiplier), factor.shift);
    }
    return factors->wide ? midge_hold(scaled) : scaled;
}
