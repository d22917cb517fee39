/* One tick of every unit's least squares, with bounded movement: what a coefficient moves is paid from `credit`. */
#include "fixed_covariance.h"
#include "fixed_past.h"

/* What of an error may be learned: all of it, or the part that credit is left for. reach: how far coefficients move for an
   error of one. */
MIDGE_PART int32_t midge_on_credit(int64_t reach, int32_t error, int32_t *credit) {
    const int32_t most = (int32_t)(reach < INT32_MAX ? reach : INT32_MAX), magnitude = midge_magnitude(error);
    const int64_t paid = (midge_product(most, magnitude) + 0x3FFFFF) >> 22;
    const int32_t wish = (int32_t)(paid < INT32_MAX ? paid : INT32_MAX);
    if (wish <= *credit) {
        *credit -= wish;
        return error;
    }
    const int32_t part = (int32_t)(midge_product(magnitude, midge_quotient(*credit, wish, 30)) >> 30);
    *credit = 0;
    return error < 0 ? -part : part;
}

/* Coefficients of one output, one in each row, by gains [n] times error, on credit. */
MIDGE_PART void midge_move(int32_t *coefficients, const int32_t *gains, int32_t n, int32_t error, int32_t *credit) {
    int64_t reach = 0;
    for (int32_t k = 0; k < n; k++) {
        reach += midge_magnitude(gains[k]);
    }
    const int32_t counted = midge_on_credit(reach, error, credit);
    for (int32_t k = 0; k < n; k++, coefficients += MIDGE_CHANNELS) {
        *coefficients = midge_cut(midge_lifted(*coefficients, 16) + midge_product(gains[k], counted), 16);
    }
}

/* A unit that sees one channel: features [n] and the step that they should have told. */
MIDGE_PART void midge_learn_own(int32_t *factor, int32_t *variances, int32_t *coefficients, const int32_t *features,
                                  int32_t n, uint32_t forget, int32_t unforget, int32_t error, int32_t *credit) {
    int32_t gains[MIDGE_MOST_FEATURES];
    midge_gain_and_update(factor, variances, features, n, forget, unforget, gains);
    midge_move(coefficients, gains, n, error, credit);
}

MIDGE_PART void midge_learn_joint(MIDGE_LEARNER *s, const struct midge_view *view, const int32_t *sample,
                                    const uint8_t *learned) {
    int32_t features[MIDGE_JOINT_FEATURES], gains[MIDGE_JOINT_FEATURES], told[MIDGE_CHANNELS];
    features[0] = MIDGE_ONE;
    MIDGE_COPY(features + 1, view->lags, sizeof features - sizeof features[0]);
    midge_joint_step((const int32_t(*)[MIDGE_CHANNELS])s->joint, view->lags, told);
    midge_gain_and_update(s->joint_factor[0], s->joint_variances[0], features, MIDGE_JOINT_FEATURES,
                          MIDGE_JOINT_MEMORY, MIDGE_JOINT_UNFORGET, gains);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        if (learned[c]) {
            const int32_t error = midge_narrow((int64_t)(sample[c] - view->last[c]) - told[c]);
            midge_move(&s->joint[0][c], gains, MIDGE_JOINT_FEATURES, error, &s->credit[0][c]);
        }
    }
}

MIDGE_PART void midge_learn_fast(MIDGE_LEARNER *s, const struct midge_view *view, int32_t c, int32_t step) {
    int32_t features[MIDGE_FAST_FEATURES];
    features[0] = MIDGE_ONE;
    for (int32_t k = 1; k < MIDGE_FAST_FEATURES; k++) {
        features[k] = view->lags[(k - 1) * MIDGE_CHANNELS + c];
    }
    const int32_t told = midge_own_step(&s->fast[0][c], features, MIDGE_FAST_FEATURES);
    midge_learn_own(s->fast_factor[c], s->fast_variances[c], &s->fast[0][c], features, MIDGE_FAST_FEATURES,
                    MIDGE_FAST_MEMORY, MIDGE_FAST_UNFORGET, midge_narrow((int64_t)step - told), &s->credit[1][c]);
}

MIDGE_PART void midge_learn_season(MIDGE_LEARNER *s, const struct midge_view *view, int32_t c, int32_t step) {
    int32_t features[MIDGE_SEASON_FEATURES];
    features[0] = MIDGE_ONE;
    for (int32_t k = 0; k < MIDGE_SEASON_LAGS; k++) {
        features[1 + k] = view->lags[k * MIDGE_CHANNELS + c];
    }
    for (int32_t k = 0; k < MIDGE_SEASONAL; k++) {
        features[1 + MIDGE_SEASON_LAGS + k] = midge_past_feature(s, s->counters[MIDGE_PERIOD] - 2 + k, c);
    }
    const int32_t told = midge_own_step(&s->season[0][c], features, MIDGE_SEASON_FEATURES);
    midge_learn_own(s->season_factor[c], s->season_variances[c], &s->season[0][c], features, MIDGE_SEASON_FEATURES,
                    MIDGE_SEASON_MEMORY, MIDGE_SEASON_UNFORGET, midge_narrow((int64_t)step - told), &s->credit[2][c]);
}

MIDGE_KERNEL void midge_direct_features(const MIDGE_LEARNER *s, int32_t ago, int32_t c, int32_t *features) {
    features[0] = MIDGE_ONE;
    for (int32_t k = 1; k < MIDGE_DIRECT_FEATURES; k++) {
        features[k] = midge_past_feature(s, ago + k - 1, c);
    }
}

MIDGE_PART void midge_learn_direct(MIDGE_LEARNER *s, int32_t place, int32_t c, int32_t sample) {
    const int32_t lead = midge_anchors[MIDGE_FIRST_DIRECT + place];
    int32_t features[MIDGE_DIRECT_FEATURES];
    midge_direct_features(s, lead - 1, c, features);
    const int64_t step = (int64_t)(sample - midge_past(s, lead - 1, c));
    const int32_t told = midge_own_step(&s->direct[place][0][c], features, MIDGE_DIRECT_FEATURES);
    midge_learn_own(s->direct_factor[place][c], s->direct_variances[place][c], &s->direct[place][0][c], features,
                    MIDGE_DIRECT_FEATURES, MIDGE_DIRECT_MEMORY, MIDGE_DIRECT_UNFORGET,
                    midge_within(midge_narrow(step - told), MIDGE_LARGEST_ERROR), &s->credit[3 + place][c]);
}

/* sample, learned: [channels], in units of the channel; which to learn from. */
MIDGE_PART void midge_learn(MIDGE_LEARNER *s, const struct midge_view *view, const int32_t *sample,
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
            s->credit[unit][c] = midge_min(s->credit[unit][c] + MIDGE_MOVEMENT_RATE, MIDGE_MOVEMENT_RESERVE);
        }
    }
    midge_learn_joint(s, view, sample, learned);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        if (!learned[c]) {
            continue;
        }
        midge_learn_fast(s, view, c, sample[c] - view->last[c]);
        midge_learn_season(s, view, c, sample[c] - view->last[c]);
        for (int32_t place = 0; place < MIDGE_DIRECT_ANCHORS; place++) {
            if (s->counters[MIDGE_TICKS] >= midge_anchors[MIDGE_FIRST_DIRECT + place]) {
                midge_learn_direct(s, place, c, sample[c]);
            }
        }
    }
}
