/* From int32 sums to int8, four channels at a time, in every bit as requantize.h has it. */
#include "base_mve.h"

/* Numbers whose lowest byte is the clamped one. */
MIDGE_KERNEL int32x4_t midge_clamp_mve(int32x4_t numbers, int32_t low, int32_t high) {
    if (low == INT8_MIN && high == INT8_MAX) {
        /* Narrowing saturates without registers for the ends. */
        const int16x8_t half = vqmovnbq_s32(vreinterpretq_s16_s32(numbers), numbers);
        return vreinterpretq_s32_s8(vqmovnbq_s16(vreinterpretq_s8_s16(half), half));
    }
    return vminq_s32(vmaxq_s32(numbers, vdupq_n_s32(low)), vdupq_n_s32(high));
}

/* What becomes of the sums of four channels stands in a record of words: four biases; four multipliers, unless all
   channels have one; a byte for each shift, to the left, unless all have one. */
struct midge_rescale_mve {
    int32_t words;          /* of a record: 4, 5, 8 or 9 */
    int32_t one_multiplier; /* of all channels where `has_multipliers` is 0 */
    int32_t one_shift;      /* of all channels where `has_shifts` is 0; to the left, mostly negative */
    int has_multipliers, has_shifts;
    int is_double; /* 1: a rounding doubling high multiply, then a rounding shift; 0: one rounding, narrow alone */
    int narrow;    /* 1: every |sum| < 2^30 and every shift in [-31, -1] */
    int wide;      /* 1: a rescaled sum may come so near to the ends of int32 that a zero point leads beyond */
    int shifts_left; /* 1: some shifts are over 0: sums are shifted, wrapping, before the multiplication */
    int is_tie_seen; /* 0: sums under 0 come out as `low` however they are rounded */
    int32_t y_zero, low, high;
};

MIDGE_KERNEL int32x4_t midge_multiplier_mve(const int32_t *record, const struct midge_rescale_mve *p) {
    return p->has_multipliers ? vldrwq_s32(record + 4) : vdupq_n_s32(p->one_multiplier);
}

MIDGE_KERNEL int32x4_t midge_shift_mve(const int32_t *record, const struct midge_rescale_mve *p) {
    const int32_t at = p->has_multipliers ? 8 : 4;
    return p->has_shifts ? vldrbq_s32((const int8_t *)(const void *)(record + at)) : vdupq_n_s32(p->one_shift);
}

/* The rounding shift to the right: half away from zero is half up of what lies 1 below where it is negative. */
MIDGE_KERNEL int32x4_t midge_shift_right_mve(
    int32x4_t high, int32x4_t sums, int32x4_t shift, const struct midge_rescale_mve *p) {
    if (p->is_double && p->is_tie_seen) {
        /* Where the product rounds to zero the correction changes nothing, elsewhere it has the sign of the sum. That
           holds from shift 1 on; a shift of 0 has no sign bit, and so no correction. */
        if (p->narrow) {
            high = vaddq_s32(high, vshrq_n_s32(sums, 31));
        } else {
            high = vqaddq_s32(high, vshrq_n_s32(vandq_s32(high, shift), 31));
        }
    }
    return vrshlq_s32(high, shift);
}

/* The sums of four channels, biases included, by multipliers and shifts of their own; the lowest bytes are the int8. */
MIDGE_KERNEL int32x4_t midge_rescale_by_mve(
    int32x4_t sums, int32x4_t multiplier, int32x4_t shift, const struct midge_rescale_mve *p) {
    if (p->shifts_left) {
        sums = vshlq_s32(sums, vmaxq_s32(shift, vdupq_n_s32(0)));
        shift = vminq_s32(shift, vdupq_n_s32(0));
    }
    const int32x4_t high = p->is_double ? vqrdmulhq_s32(sums, multiplier) : vqdmulhq_s32(sums, multiplier);
    int32x4_t y = midge_shift_right_mve(high, sums, shift, p);
    if (p->y_zero != 0) {
        y = p->wide ? vqaddq_n_s32(y, p->y_zero) : vaddq_n_s32(y, p->y_zero);
    }
    return midge_clamp_mve(y, p->low, p->high);
}

/* The same with the factors of a record. */
MIDGE_KERNEL int32x4_t midge_rescale_mve(
    int32x4_t sums, const int32_t *record, const struct midge_rescale_mve *p) {
    return midge_rescale_by_mve(sums, midge_multiplier_mve(record, p), midge_shift_mve(record, p), p);
}

/* Narrow numbers by a factor that all have; the shift is to the left, and under 0. */
MIDGE_KERNEL int32x4_t midge_rescale_by_one_mve(
    int32x4_t numbers, int32_t multiplier, int32_t shift, int is_double, int is_tie_seen) {
    if (!is_double) {
        return vrshlq_n_s32(vqdmulhq_n_s32(numbers, multiplier), shift);
    }
    int32x4_t high = vqrdmulhq_n_s32(numbers, multiplier);
    if (is_tie_seen) {
        high = vaddq_s32(high, vshrq_n_s32(numbers, 31));
    }
    return vrshlq_n_s32(high, shift);
}

MIDGE_KERNEL int32x4_t midge_vector_mve(int32_t s0, int32_t s1, int32_t s2, int32_t s3) {
    int32x4_t vector = vdupq_n_s32(0);
    vector = vsetq_lane_s32(s0, vector, 0);
    vector = vsetq_lane_s32(s1, vector, 1);
    vector = vsetq_lane_s32(s2, vector, 2);
    return vsetq_lane_s32(s3, vector, 3);
}

/* Store the numbers of up to four channels as int8. */
MIDGE_KERNEL void midge_store_mve(int8_t *y, int32x4_t numbers, int32_t channels) {
    if (channels >= 4) {
        vstrbq_s32(y, numbers);
    } else {
        vstrbq_p_s32(y, numbers, vctp32q((uint32_t)channels));
    }
}
