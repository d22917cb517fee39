/* Samples that are past, in units of their channels. Time runs backwards: row 0 is the last sample. */
#include "fixed_learner.h"

MIDGE_KERNEL const int32_t *midge_past_row(const MIDGE_LEARNER *s, int32_t ago) {
    const int32_t row = s->counters[MIDGE_POSITION] - 1 - ago;
    return s->ring[row < 0 ? row + MIDGE_RING : row];
}

/* From steps into a channel's units: its scale is 2^exponent steps, -4 to 30. */
MIDGE_KERNEL int32_t midge_normalised(const MIDGE_LEARNER *s, int32_t channel, int32_t value) {
    const int32_t apart = value - s->offset[channel], up = 20 - s->exponent[channel];
    if (up >= 0) {
        const int32_t most = MIDGE_LIMIT >> up;
        return __builtin_expect(midge_magnitude(apart) > most, 0) ? (apart < 0 ? -MIDGE_LIMIT : MIDGE_LIMIT)
                                                                  : (int32_t)((uint32_t)apart << up);
    }
    return (int32_t)midge_rounded(apart, -up);
}

/* The inverse, in whole steps. */
MIDGE_KERNEL int32_t midge_in_steps(const MIDGE_LEARNER *s, int32_t channel, int32_t value) {
    const int32_t down = 20 - s->exponent[channel];
    if (down > 0) { /* and at most 24 */
        return midge_narrow((int64_t)((value + (1 << (down - 1))) >> down) + s->offset[channel]);
    }
    return midge_narrow((int64_t)value * (INT64_C(1) << -down) + s->offset[channel]);
}

MIDGE_KERNEL int32_t midge_past(const MIDGE_LEARNER *s, int32_t ago, int32_t channel) {
    return midge_normalised(s, channel, midge_past_row(s, ago)[channel]);
}

MIDGE_KERNEL int32_t midge_past_feature(const MIDGE_LEARNER *s, int32_t ago, int32_t channel) {
    return midge_within(midge_past(s, ago, channel), MIDGE_LARGEST_FEATURE);
}

/* What units see of the last samples. */
struct midge_view {
    int32_t last[MIDGE_CHANNELS];              /* as it is */
    int32_t lags[MIDGE_LAGS * MIDGE_CHANNELS]; /* as features, every channel at lag 0, then at lag 1, ... */
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

/* A sum of coefficients (Q22) times features (Q20), in Q20. */
MIDGE_KERNEL int32_t midge_step_of(int64_t sum) { return midge_narrowed(sum, 22); }

/* step: [channels], what joint coefficients make of lags. */
MIDGE_KERNEL void midge_joint_step(const int32_t (*coefficients)[MIDGE_CHANNELS], const int32_t *lags, int32_t *step) {
    int64_t sums[MIDGE_CHANNELS];
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        sums[c] = midge_product(coefficients[0][c], MIDGE_ONE);
    }
    for (int32_t k = 0; k < MIDGE_JOINT_FEATURES - 1; k++) {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            sums[c] += midge_product(coefficients[1 + k][c], lags[k]);
        }
    }
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        step[c] = midge_step_of(sums[c]);
    }
}

/* What a channel's own coefficients, one in each row from `coefficients` on, make of its features. */
MIDGE_KERNEL int32_t midge_own_step(const int32_t *coefficients, const int32_t *features, int32_t count) {
    int64_t sum = 0;
    for (int32_t k = 0; k < count; k++) {
        sum += midge_product(coefficients[k * MIDGE_CHANNELS], features[k]);
    }
    return midge_step_of(sum);
}
