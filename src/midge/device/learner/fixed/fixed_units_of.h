/* Units of a channel: an offset in steps and a power of two. Where mean or spread has left them behind, everything learned
   is carried over to new ones. */
#include "fixed_learning.h"

/* Does a joint feature, 1 or later, belong to the channel? Those are (1 + channel) modulo channels. */
#define MIDGE_FIRST_OF(channel) (((channel) + 1) % MIDGE_CHANNELS)

MIDGE_KERNEL void midge_shift(int32_t *value, int32_t doubled) { *value = midge_shifted(*value, doubled); }

/* Squares: four times as much, or a quarter. */
MIDGE_KERNEL void midge_shift_square(int32_t *value, int32_t doubled) {
    *value = doubled ? midge_narrow(4 * (int64_t)*value) : (*value + 2) >> 2;
}

/* The channel's lags count twice as much (or half), its steps half (or twice). */
MIDGE_PART void midge_rescale_joint(int32_t (*coefficients)[MIDGE_CHANNELS], int32_t channel, int32_t doubled) {
    for (int32_t k = 0; k < MIDGE_JOINT_FEATURES; k++) {
        const int32_t own = k > 0 && k % MIDGE_CHANNELS == MIDGE_FIRST_OF(channel);
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            if (own != (c == channel)) {
                midge_shift(&coefficients[k][c], own ? doubled : !doubled);
            }
        }
    }
}

/* What has been told of a channel, in its units. */
MIDGE_KERNEL void midge_rescale_told(MIDGE_LEARNER *s, int32_t c, int32_t doubled) {
    midge_shift(&s->mean[c], !doubled);
    midge_shift_square(&s->variance[c], !doubled);
    midge_shift(&s->residual[c], !doubled);
    midge_shift(&s->expected[c], !doubled);
    for (int32_t slot = 0; slot < MIDGE_SLOTS; slot++) {
        for (int32_t unit = 0; unit < MIDGE_PERSISTENCE; unit++) {
            midge_shift(&s->waiting[slot][unit][c], !doubled);
        }
    }
    for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
        for (int32_t anchor = 0; anchor < MIDGE_ANCHORS; anchor++) {
            midge_shift_square(&s->fitness[unit][anchor][c], !doubled);
        }
    }
}

/* One channel's scale times 2 (doubled) or 1/2. */
MIDGE_PART void midge_rescale(MIDGE_LEARNER *s, int32_t c, int32_t doubled) {
    midge_scale_features(s->joint_factor[0], s->joint_variances[0], MIDGE_JOINT_FEATURES, MIDGE_FIRST_OF(c),
                         MIDGE_CHANNELS, doubled);
    midge_rescale_joint(s->joint, c, doubled);
    for (int32_t place = 0; place < s->counters[MIDGE_KNOWN]; place++) {
        midge_rescale_joint(s->pool[place], c, doubled);
    }
    midge_scale_features(s->fast_factor[c], s->fast_variances[c], MIDGE_FAST_FEATURES, 0, 1, doubled);
    midge_shift(&s->fast[0][c], !doubled);
    midge_scale_features(s->season_factor[c], s->season_variances[c], MIDGE_SEASON_FEATURES, 0, 1, doubled);
    midge_shift(&s->season[0][c], !doubled);
    for (int32_t place = 0; place < MIDGE_DIRECT_ANCHORS; place++) {
        midge_scale_features(s->direct_factor[place][c], s->direct_variances[place][c], MIDGE_DIRECT_FEATURES, 0, 1,
                             doubled);
        midge_shift(&s->direct[place][0][c], !doubled);
    }
    s->exponent[c] += doubled ? 1 : -1;
    midge_rescale_told(s, c, doubled);
}

/* The constant of one output takes over what features `first`, `first + stride`, ... lose; from 1 on. */
MIDGE_KERNEL void midge_shift_constant(int32_t *coefficients, int32_t n, int32_t first, int32_t stride, int32_t shift) {
    int64_t sum = 0;
    for (int32_t k = 1; k < n; k++) {
        if (k % stride == first) {
            sum += midge_product(shift, coefficients[k * MIDGE_CHANNELS]);
        }
    }
    coefficients[0] = midge_narrow(coefficients[0] + midge_rounded(sum, 20));
}

MIDGE_PART void midge_shift_joint(int32_t (*coefficients)[MIDGE_CHANNELS], int32_t channel, int32_t shift) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        midge_shift_constant(&coefficients[0][c], MIDGE_JOINT_FEATURES, MIDGE_FIRST_OF(channel), MIDGE_CHANNELS, shift);
    }
}

/* Everything of a channel that is an absolute level is less by `shift`. */
MIDGE_PART void midge_shift_channel(MIDGE_LEARNER *s, int32_t c, int32_t shift) {
    midge_shift_features(s->joint_factor[0], MIDGE_JOINT_FEATURES, MIDGE_FIRST_OF(c), MIDGE_CHANNELS, shift);
    midge_shift_joint(s->joint, c, shift);
    for (int32_t place = 0; place < s->counters[MIDGE_KNOWN]; place++) {
        midge_shift_joint(s->pool[place], c, shift);
    }
    midge_shift_features(s->fast_factor[c], MIDGE_FAST_FEATURES, 0, 1, shift);
    midge_shift_constant(&s->fast[0][c], MIDGE_FAST_FEATURES, 0, 1, shift);
    midge_shift_features(s->season_factor[c], MIDGE_SEASON_FEATURES, 0, 1, shift);
    midge_shift_constant(&s->season[0][c], MIDGE_SEASON_FEATURES, 0, 1, shift);
    for (int32_t place = 0; place < MIDGE_DIRECT_ANCHORS; place++) {
        midge_shift_features(s->direct_factor[place][c], MIDGE_DIRECT_FEATURES, 0, 1, shift);
        midge_shift_constant(&s->direct[place][0][c], MIDGE_DIRECT_FEATURES, 0, 1, shift);
    }
    s->expected[c] = midge_narrow((int64_t)s->expected[c] - shift);
    for (int32_t slot = 0; slot < MIDGE_SLOTS; slot++) {
        for (int32_t unit = 0; unit < MIDGE_PERSISTENCE; unit++) {
            s->waiting[slot][unit][c] = midge_narrow((int64_t)s->waiting[slot][unit][c] - shift);
        }
    }
}

/* One channel's offset moves to its mean, as far as whole steps go. */
MIDGE_KERNEL void midge_recentre(MIDGE_LEARNER *s, int32_t c) {
    const int32_t down = 20 - s->exponent[c], level = (s->mean[c] + 8) >> 4;
    const int64_t apart = down > 0 ? midge_rounded(level, down) : (int64_t)level * (INT64_C(1) << -down);
    const int32_t moved = midge_narrow(s->offset[c] + apart) - s->offset[c];
    const int32_t shift = down > 0 ? (int32_t)((uint32_t)moved << down) : moved >> -down;
    if (moved != 0) {
        s->offset[c] += moved;
        s->mean[c] = midge_narrow((int64_t)s->mean[c] - 16 * (int64_t)shift);
        midge_shift_channel(s, c, shift);
    }
}

/* Mean and variance take in a sample, in units of the channel. */
MIDGE_KERNEL void midge_follow_channel(MIDGE_LEARNER *s, int32_t c, int32_t sample, int32_t rate) {
    const int32_t before = midge_within(sample - ((s->mean[c] + 8) >> 4), MIDGE_OUTLIER);
    s->mean[c] = midge_narrow(s->mean[c] + midge_rounded(midge_product(rate, before), 27));
    const int32_t after = midge_within(sample - ((s->mean[c] + 8) >> 4), MIDGE_OUTLIER);
    const int32_t square = (int32_t)(midge_product(before, after) >> 16);
    s->variance[c] = midge_max(midge_towards(s->variance[c], midge_within(square, MIDGE_LIMIT), rate, midge_dither(s)), 0);
}

/* In the first ticks a scale goes at once to where a sample's deviation is four of it at most. */
MIDGE_KERNEL void midge_make_room(MIDGE_LEARNER *s, int32_t c, int32_t sample) {
    const int64_t apart = 4 * (int64_t)midge_magnitude(sample - s->offset[c]);
    while (apart > INT64_C(1) << (s->exponent[c] + 4)) {
        midge_rescale(s, c, 1);
    }
}

/* Take a sample, in steps, into mean and variance, and change units that no longer fit. */
MIDGE_PART void midge_follow(MIDGE_LEARNER *s, const int32_t *sample) {
    const int32_t ticks = s->counters[MIDGE_TICKS], rate = midge_rate(ticks + 1, MIDGE_SLOWEST);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        if (ticks < MIDGE_FREE_TICKS) {
            midge_make_room(s, c, sample[c]);
        }
        midge_follow_channel(s, c, midge_normalised(s, c, sample[c]), rate);
        if (s->variance[c] > INT32_C(0x4000000) && s->exponent[c] < MIDGE_LARGEST_EXPONENT) {
            midge_rescale(s, c, 1);
        } else if (s->variance[c] < INT32_C(0x100000) && s->exponent[c] > MIDGE_LEAST_EXPONENT) {
            midge_rescale(s, c, 0);
        }
        if (midge_magnitude(s->mean[c]) > INT32_C(0x1000000)) {
            midge_recentre(s, c);
        }
    }
}

/* The first sample: the past is taken to have been the same. */
MIDGE_PART void midge_begin(MIDGE_LEARNER *s, const int32_t *sample) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        s->offset[c] = sample[c];
        for (int32_t row = 0; row < MIDGE_RING; row++) {
            s->ring[row][c] = sample[c];
        }
    }
}
