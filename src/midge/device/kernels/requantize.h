/* From int32 sums to int8: multiply by multiplier * 2^(-31 - shift), with multiplier 0 or in [2^30, 2^31). */
#include "base.h"

enum midge_rounding {
    MIDGE_TFLITE_DOUBLE, /* a rounding doubling high multiply, then a rounding shift */
    MIDGE_SINGLE         /* one 64-bit product, one rounding shift */
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

MIDGE_KERNEL int32_t midge_rescale(int32_t value, struct midge_factor factor, const struct midge_factors *factors) {
    if (factors->rounding == MIDGE_SINGLE) {
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
