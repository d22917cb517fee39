/* Samples that are past, in units of their channels. Time runs backwards: row 0 is the last sample. */
#include "learner.h"

MIDGE_KERNEL const float *midge_past_row(const MIDGE_LEARNER *s, int32_t ago) {
    const int32_t row = s->counters[MIDGE_POSITION] - 1 - ago;
    return s->ring[row < 0 ? row + MIDGE_RING : row];
}

/* From the user's units into a channel's. */
MIDGE_KERNEL float midge_normalised(const MIDGE_LEARNER *s, int32_t channel, float value) {
    const float units = (value - s->offset[channel]) * midge_inverse(s->scale[channel]);
    return midge_within(units, MIDGE_LARGEST_NORMALISED);
}

MIDGE_KERNEL float midge_in_user_units(const MIDGE_LEARNER *s, int32_t channel, float value) {
    return s->offset[channel] + s->scale[channel] * value;
}

MIDGE_KERNEL float midge_past(const MIDGE_LEARNER *s, int32_t ago, int32_t channel) {
    return midge_normalised(s, channel, midge_past_row(s, ago)[channel]);
}

MIDGE_KERNEL float midge_past_feature(const MIDGE_LEARNER *s, int32_t ago, int32_t channel) {
    return midge_within(midge_past(s, ago, channel), MIDGE_LARGEST_FEATURE);
}

/* What units see of the last samples. */
struct midge_view {
    float last[MIDGE_CHANNELS];               /* as it is */
    float lags[MIDGE_LAGS * MIDGE_CHANNELS]; /* as features, every channel at lag 0, then at lag 1, ... */
};

MIDGE_PART void midge_look_back(const MIDGE_LEARNER *s, struct midge_view *view) {
    for (int32_t lag = 0; lag < MIDGE_LAGS; lag++) {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            view->lags[lag * MIDGE_CHANNELS + c] = midge_past_feature(s, lag, c);
        }
    }
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        view->last[c] = midge_past(s, 0, c);
    }
}

/* step: [channels], what joint coefficients make of lags. */
MIDGE_KERNEL void midge_joint_step(const float (*coefficients)[MIDGE_CHANNELS], const float *lags, float *step) {
    float sums[MIDGE_CHANNELS];
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        sums[c] = coefficients[0][c];
    }
    for (int32_t k = 0; k < MIDGE_JOINT_FEATURES - 1; k++) {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            sums[c] += coefficients[1 + k][c] * lags[k];
        }
    }
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        step[c] = sums[c];
    }
}

/* What a channel's own coefficients, one in each row from `coefficients` on, make of its features. */
MIDGE_KERNEL float midge_own_step(const float *coefficients, const float *features, int32_t count) {
    float sum = coefficients[0];
    for (int32_t k = 1; k < count; k++) {
        sum += coefficients[k * MIDGE_CHANNELS] * features[k];
    }
    return sum;
}
