/* Units of a channel: an offset and a power of two. Where mean or spread has left them behind, everything learned is
   carried over to new ones. */
#include "learner_learning.h"

#define MIDGE_ROUNDS_AT_FIRST 64

/* Least scale: what float32 still resolves at that level. */
MIDGE_KERNEL float midge_floor_of(float mean) { return 1e-6f * midge_magnitude(mean) + 1e-12f; }

/* Joint features of a channel are those that are (1 + channel) modulo channels, but for the constant. */
#define MIDGE_FIRST_OF(channel) (((channel) + 1) % MIDGE_CHANNELS)

/* The channel's lags count `factor` times as much, its steps the inverse. */
MIDGE_PART void midge_rescale_joint(float (*coefficients)[MIDGE_CHANNELS], int32_t channel, float factor) {
    const float inverse = midge_inverse(factor);
    for (int32_t k = 0, next = 1 + channel; k < MIDGE_JOINT_FEATURES; k++) {
        if (k == next) {
            for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
                const float value = coefficients[k][c] * factor;
                coefficients[k][c] = midge_within(c == channel ? value * inverse : value, MIDGE_LARGEST_COEFFICIENT);
            }
            next += MIDGE_CHANNELS;
        } else {
            coefficients[k][channel] = midge_within(coefficients[k][channel] * inverse, MIDGE_LARGEST_COEFFICIENT);
        }
    }
}

MIDGE_KERNEL void midge_rescale_constant(float *constant, float inverse) {
    *constant = midge_within(*constant * inverse, MIDGE_LARGEST_COEFFICIENT);
}

/* One channel's scale times 2 or 1/2. */
MIDGE_PART void midge_rescale(MIDGE_LEARNER *s, int32_t c, float factor) {
    const float inverse = midge_inverse(factor);
    midge_scale_features(s->joint_upper[0], s->joint_variances[0], MIDGE_JOINT_FEATURES, MIDGE_FIRST_OF(c),
                         MIDGE_CHANNELS, factor);
    midge_rescale_joint(s->joint, c, factor);
    for (int32_t place = 0; place < s->counters[MIDGE_KNOWN]; place++) {
        midge_rescale_joint(s->pool[place], c, factor);
    }
    midge_scale_features(s->fast_upper[c], s->fast_variances[c], MIDGE_FAST_FEATURES, 0, 1, factor);
    midge_rescale_constant(&s->fast[0][c], inverse);
    midge_scale_features(s->season_upper[c], s->season_variances[c], MIDGE_SEASON_FEATURES, 0, 1, factor);
    midge_rescale_constant(&s->season[0][c], inverse);
    for (int32_t place = 0; place < MIDGE_DIRECT_ANCHORS; place++) {
        midge_scale_features(s->direct_upper[place][c], s->direct_variances[place][c], MIDGE_DIRECT_FEATURES, 0, 1,
                             factor);
        midge_rescale_constant(&s->direct[place][0][c], inverse);
    }
    s->scale[c] *= factor;
    s->residual[c] *= inverse;
    s->expected[c] *= inverse;
    for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
        for (int32_t anchor = 0; anchor < MIDGE_ANCHORS; anchor++) {
            s->fitness[unit][anchor][c] *= inverse * inverse;
        }
    }
}

/* The constant of one output takes over what features `first`, `first + stride`, ... lose; from 1 on. */
MIDGE_KERNEL void midge_shift_constant(float *coefficients, int32_t n, int32_t first, int32_t stride, float shift) {
    float constant = coefficients[0];
    for (int32_t k = 1; k < n; k++) {
        if (k % stride == first) {
            constant += shift * coefficients[k * MIDGE_CHANNELS];
        }
    }
    coefficients[0] = midge_within(constant, MIDGE_LARGEST_COEFFICIENT);
}

MIDGE_PART void midge_shift_joint(float (*coefficients)[MIDGE_CHANNELS], int32_t channel, float shift) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        midge_shift_constant(&coefficients[0][c], MIDGE_JOINT_FEATURES, MIDGE_FIRST_OF(channel), MIDGE_CHANNELS, shift);
    }
}

/* One channel's offset moves to its mean. */
MIDGE_PART void midge_recentre(MIDGE_LEARNER *s, int32_t c) {
    const float shift = (s->mean[c] - s->offset[c]) * midge_inverse(s->scale[c]);
    midge_shift_features(s->joint_upper[0], MIDGE_JOINT_FEATURES, MIDGE_FIRST_OF(c), MIDGE_CHANNELS, shift);
    midge_shift_joint(s->joint, c, shift);
    for (int32_t place = 0; place < s->counters[MIDGE_KNOWN]; place++) {
        midge_shift_joint(s->pool[place], c, shift);
    }
    midge_shift_features(s->fast_upper[c], MIDGE_FAST_FEATURES, 0, 1, shift);
    midge_shift_constant(&s->fast[0][c], MIDGE_FAST_FEATURES, 0, 1, shift);
    midge_shift_features(s->season_upper[c], MIDGE_SEASON_FEATURES, 0, 1, shift);
    midge_shift_constant(&s->season[0][c], MIDGE_SEASON_FEATURES, 0, 1, shift);
    for (int32_t place = 0; place < MIDGE_DIRECT_ANCHORS; place++) {
        midge_shift_features(s->direct_upper[place][c], MIDGE_DIRECT_FEATURES, 0, 1, shift);
        midge_shift_constant(&s->direct[place][0][c], MIDGE_DIRECT_FEATURES, 0, 1, shift);
    }
    s->expected[c] -= shift;
    s->offset[c] = s->mean[c];
}

/* By what a scale should be multiplied: 2, 1 or 1/2. */
MIDGE_KERNEL float midge_factor(const MIDGE_LEARNER *s, int32_t c) {
    const float square = s->scale[c] * s->scale[c], half = 0.5f * s->scale[c];
    if (s->variance[c] > 4.0f * square) {
        return 2.0f;
    }
    return s->variance[c] < 0.0625f * square && half > midge_floor_of(s->mean[c]) ? 0.5f : 1.0f;
}

/* Mean and variance take in a sample, in the user's units. */
MIDGE_KERNEL void midge_follow_channel(MIDGE_LEARNER *s, int32_t c, float sample, float rate) {
    const int32_t is_settled = s->counters[MIDGE_TICKS] > MIDGE_SETTLING;
    const float bound = MIDGE_OUTLIER * s->scale[c];
    float before = sample - s->mean[c];
    before = is_settled ? midge_within(before, bound) : before;
    s->mean[c] += rate * before;
    float after = sample - s->mean[c];
    after = is_settled ? midge_within(after, bound) : after;
    s->variance[c] += rate * (before * after - s->variance[c]);
}

/* Take a sample into mean and variance, and change units that no longer fit. */
MIDGE_PART void midge_follow(MIDGE_LEARNER *s, const float *sample) {
    const float rate = midge_rate(s->counters[MIDGE_TICKS] + 1, MIDGE_SLOWEST);
    const int32_t rounds = s->counters[MIDGE_TICKS] < MIDGE_FREE_TICKS ? MIDGE_ROUNDS_AT_FIRST : 1;
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        midge_follow_channel(s, c, sample[c], rate);
    }
    for (int32_t round = 0, moved = 1; round < rounds && moved; round++) {
        moved = 0;
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            const float factor = midge_factor(s, c);
            if (factor > 1.0f || factor < 1.0f) {
                midge_rescale(s, c, factor);
                moved = 1;
            }
        }
    }
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        if (midge_magnitude(s->mean[c] - s->offset[c]) > s->scale[c]) {
            midge_recentre(s, c);
        }
    }
}

/* The first sample: the past is taken to have been the same. */
MIDGE_PART void midge_begin(MIDGE_LEARNER *s, const float *sample) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const float least = midge_floor_of(sample[c]);
        s->offset[c] = sample[c];
        s->mean[c] = sample[c];
        for (int32_t row = 0; row < MIDGE_RING; row++) {
            s->ring[row][c] = sample[c];
        }
        s->scale[c] = 1.0f;
        while (s->scale[c] < least) {
            s->scale[c] *= 2.0f;
        }
        while (s->scale[c] > 2.0f * least) {
            s->scale[c] *= 0.5f;
        }
    }
}
