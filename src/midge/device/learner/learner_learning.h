/* One tick of every unit's least squares, with bounded movement: what a coefficient moves is paid from `credit`. */
#include "learner_covariance.h"
#include "learner_past.h"

/* The sum of gains' magnitudes. */
MIDGE_KERNEL float midge_reach_of(const float *gains, int32_t n) {
    float reach = midge_magnitude(gains[0]);
    MIDGE_UNROLLED
    for (int32_t k = 1; k < n; k++) {
        reach += midge_magnitude(gains[k]);
    }
    return reach;
}

/* Coefficients of one output, one in each row, by gains [n] of that reach times error, on credit. */
MIDGE_KERNEL void midge_move(float *coefficients, const float *gains, float reach, int32_t n, float error,
                             float *credit) {
    const float wish = reach * midge_magnitude(error);
    if (MIDGE_UNLIKELY(wish > *credit)) {
        error *= midge_quotient(*credit, midge_most(wish, 1e-30f));
        *credit -= *credit;
    } else {
        *credit -= wish;
    }
    MIDGE_UNROLLED
    for (int32_t k = 0; k < n; k++, coefficients += MIDGE_CHANNELS) {
        *coefficients = midge_within(*coefficients + gains[k] * error, MIDGE_LARGEST_COEFFICIENT);
    }
}

/* A unit that sees one channel: features [n] and the step that they should have told. */
MIDGE_KERNEL void midge_learn_own(float *upper, float *variances, float *coefficients, const float *features,
                                  int32_t n, float forget, float error, float *credit) {
    float gains[MIDGE_MOST_FEATURES];
    midge_gain_and_update_few(upper, variances, features, n, forget, gains);
    midge_move(coefficients, gains, midge_reach_of(gains, n), n, error, credit);
}

MIDGE_PART void midge_learn_joint(MIDGE_LEARNER *s, const struct midge_view *view, const float *sample,
                                    const uint8_t *learned) {
    float features[MIDGE_JOINT_FEATURES], gains[MIDGE_JOINT_FEATURES], told[MIDGE_CHANNELS];
    features[0] = 1.0f;
    MIDGE_COPY(features + 1, view->lags, sizeof features - sizeof features[0]);
    midge_joint_step((const float(*)[MIDGE_CHANNELS])s->joint, view->lags, told);
    midge_gain_and_update(s->joint_upper[0], s->joint_variances[0], features, MIDGE_JOINT_FEATURES,
                          MIDGE_JOINT_MEMORY, gains);
    const float reach = midge_reach_of(gains, MIDGE_JOINT_FEATURES);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        if (learned[c]) {
            const float error = sample[c] - view->last[c] - told[c];
            midge_move(&s->joint[0][c], gains, reach, MIDGE_JOINT_FEATURES, error, &s->credit[0][c]);
        }
    }
}

MIDGE_PART void midge_learn_fast(MIDGE_LEARNER *s, const struct midge_view *view, int32_t c, float step) {
    float features[MIDGE_FAST_FEATURES];
    features[0] = 1.0f;
    for (int32_t k = 1; k < MIDGE_FAST_FEATURES; k++) {
        features[k] = view->lags[(k - 1) * MIDGE_CHANNELS + c];
    }
    const float error = step - midge_own_step(&s->fast[0][c], features, MIDGE_FAST_FEATURES);
    midge_learn_own(s->fast_upper[c], s->fast_variances[c], &s->fast[0][c], features, MIDGE_FAST_FEATURES,
                    MIDGE_FAST_MEMORY, error, &s->credit[1][c]);
}

MIDGE_PART void midge_learn_season(MIDGE_LEARNER *s, const struct midge_view *view, int32_t c, float step) {
    float features[MIDGE_SEASON_FEATURES];
    features[0] = 1.0f;
    for (int32_t k = 0; k < MIDGE_SEASON_LAGS; k++) {
        features[1 + k] = view->lags[k * MIDGE_CHANNELS + c];
    }
    for (int32_t k = 0; k < MIDGE_SEASONAL; k++) {
        features[1 + MIDGE_SEASON_LAGS + k] = midge_past_feature(s, s->counters[MIDGE_PERIOD] - 2 + k, c);
    }
    const float error = step - midge_own_step(&s->season[0][c], features, MIDGE_SEASON_FEATURES);
    midge_learn_own(s->season_upper[c], s->season_variances[c], &s->season[0][c], features, MIDGE_SEASON_FEATURES,
                    MIDGE_SEASON_MEMORY, error, &s->credit[2][c]);
}

MIDGE_KERNEL void midge_direct_features(const MIDGE_LEARNER *s, int32_t ago, int32_t c, float *features) {
    features[0] = 1.0f;
    for (int32_t k = 1; k < MIDGE_DIRECT_FEATURES; k++) {
        features[k] = midge_past_feature(s, ago + k - 1, c);
    }
}

MIDGE_PART void midge_learn_direct(MIDGE_LEARNER *s, int32_t c, float sample) {
    for (int32_t place = 0; place < MIDGE_DIRECT_ANCHORS; place++) {
        const int32_t lead = midge_anchors[MIDGE_FIRST_DIRECT + place];
        float features[MIDGE_DIRECT_FEATURES];
        if (s->counters[MIDGE_TICKS] < lead) {
            return;
        }
        midge_direct_features(s, lead - 1, c, features);
        const float told = midge_own_step(&s->direct[place][0][c], features, MIDGE_DIRECT_FEATURES);
        const float error = midge_within(sample - midge_past(s, lead - 1, c) - told, MIDGE_LARGEST_ERROR);
        midge_learn_own(s->direct_upper[place][c], s->direct_variances[place][c], &s->direct[place][0][c], features,
                        MIDGE_DIRECT_FEATURES, MIDGE_DIRECT_MEMORY, error, &s->credit[3 + place][c]);
    }
}

/* sample, learned: [channels], in units of the channel; which to learn from. */
MIDGE_PART void midge_learn(MIDGE_LEARNER *s, const struct midge_view *view, const float *sample,
                            const uint8_t *learned) {
    int32_t any = 0;
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        any |= learned[c];
    }
    if (!any || s->counters[MIDGE_TICKS] < MIDGE_FREE_TICKS) {
        return;
    }
    for (int32_t unit = 0; unit < 3 + MIDGE_DIRECT_ANCHORS; unit++) {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            s->credit[unit][c] = midge_least(s->credit[unit][c] + MIDGE_MOVEMENT_RATE, MIDGE_MOVEMENT_RESERVE);
        }
    }
    midge_learn_joint(s, view, sample, learned);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        if (!learned[c]) {
            continue;
        }
        midge_learn_fast(s, view, c, sample[c] - view->last[c]);
        midge_learn_season(s, view, c, sample[c] - view->last[c]);
        midge_learn_direct(s, c, sample[c]);
    }
}
