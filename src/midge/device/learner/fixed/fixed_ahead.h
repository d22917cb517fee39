/* Forecasts of every unit, one lead after the other. */
#include "fixed_learning.h"

/* Of the rows that the season unit makes, so many are wanted at a time: those of one season, or those that still come
   again before the horizon. */
#define MIDGE_MADE (MIDGE_HORIZON > 1 ? MIDGE_HORIZON / 2 : 1)

/* A walk through the leads; the state must not change meanwhile. Features stand in rows of [channels], the newest first.

   lead: what `values` are of; 0 before the first.
   values: [units][channels], in units of the channel.
   low, high: between what forecasts stay. near, span: what is up to `span` above `near` is a forecast and a feature as
   it is.
   ends, slope: the direct unit's forecasts, and what it adds at a lead.
   view: the last samples; its lags go on as the fast unit's.
   made, at: features that the season unit has made, in a ring as long as a season, and where it is in it. */
struct midge_ahead {
    int32_t lead, place, at;
    const int32_t (*regime_coefficients)[MIDGE_CHANNELS];
    int32_t values[MIDGE_UNITS][MIDGE_CHANNELS];
    int32_t low[MIDGE_CHANNELS], high[MIDGE_CHANNELS], near[MIDGE_CHANNELS];
    uint32_t span[MIDGE_CHANNELS];
    int32_t ends[MIDGE_DIRECT_ANCHORS][MIDGE_CHANNELS], slope[MIDGE_CHANNELS];
    struct midge_view view;
    int32_t joint[MIDGE_JOINT_LAGS * MIDGE_CHANNELS], regime[MIDGE_JOINT_LAGS * MIDGE_CHANNELS];
    int32_t season[MIDGE_SEASON_LAGS * MIDGE_CHANNELS], seasonal[MIDGE_SEASONAL * MIDGE_CHANNELS];
    int32_t made[MIDGE_MADE][MIDGE_CHANNELS];
};

/* The place of the regime that forecasts best lately; -1 if there is none. */
MIDGE_KERNEL int32_t midge_best_regime(const MIDGE_LEARNER *s) {
    int32_t best = s->counters[MIDGE_KNOWN] > 0 ? 0 : -1;
    for (int32_t place = 1; place < s->counters[MIDGE_KNOWN]; place++) {
        best = s->pool_error[place] < s->pool_error[best] ? place : best;
    }
    return best;
}

/* Between what a channel's forecasts stay. */
MIDGE_KERNEL void midge_limits(const MIDGE_LEARNER *s, struct midge_ahead *a, int32_t c, int32_t last) {
    const int32_t middle = (s->mean[c] + 8) >> 4;
    const int32_t spread = midge_root(s->variance[c]) * 256;
    a->low[c] = midge_max(midge_min(middle - MIDGE_RANGE * spread, last - MIDGE_REACH * spread), -MIDGE_LIMIT);
    a->high[c] = midge_min(midge_max(middle + MIDGE_RANGE * spread, last + MIDGE_REACH * spread), MIDGE_LIMIT);
    const int32_t lowest = midge_max(a->low[c], -MIDGE_LARGEST_FEATURE);
    const int32_t highest = midge_min(a->high[c], MIDGE_LARGEST_FEATURE);
    a->near[c] = lowest <= highest ? lowest : INT32_MAX; /* which no value is */
    a->span[c] = lowest <= highest ? (uint32_t)(highest - lowest) : 0u;
}

MIDGE_KERNEL int32_t midge_held(const struct midge_ahead *a, int32_t c, int32_t value) {
    return midge_min(midge_max(value, a->low[c]), a->high[c]);
}

/* A row comes before the others, of which the last goes. */
MIDGE_KERNEL void midge_push(int32_t *rows, int32_t count, const int32_t *row) {
    MIDGE_UNROLLED
    for (int32_t k = count - 1; k > 0; k--) {
        MIDGE_COPY(rows + k * MIDGE_CHANNELS, rows + (k - 1) * MIDGE_CHANNELS, sizeof(int32_t) * MIDGE_CHANNELS);
    }
    MIDGE_COPY(rows, row, sizeof(int32_t) * MIDGE_CHANNELS);
}

MIDGE_PART void midge_begin_ahead(const MIDGE_LEARNER *s, struct midge_ahead *a) {
    const int32_t best = midge_best_regime(s);
    const int32_t *const last = a->view.last;
    midge_look_back(s, &a->view);
    a->lead = 0;
    a->place = -1;
    a->at = 0;
    a->regime_coefficients = (const int32_t(*)[MIDGE_CHANNELS])(best >= 0 ? s->pool[best] : s->joint);
    MIDGE_COPY(a->joint, a->view.lags, sizeof a->joint);
    MIDGE_COPY(a->regime, a->view.lags, sizeof a->regime);
    MIDGE_COPY(a->season, a->view.lags, sizeof a->season);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        int32_t features[MIDGE_DIRECT_FEATURES];
        for (int32_t k = 0; k < MIDGE_SEASONAL; k++) {
            a->seasonal[k * MIDGE_CHANNELS + c] = midge_past_feature(s, s->counters[MIDGE_PERIOD] - 2 + k, c);
        }
        midge_limits(s, a, c, last[c]);
        a->values[MIDGE_PERSISTENCE][c] = last[c];
        a->values[MIDGE_DIRECT][c] = last[c];
        midge_direct_features(s, 0, c, features);
        for (int32_t place = 0; place < MIDGE_DIRECT_ANCHORS; place++) {
            const int32_t step = midge_own_step(&s->direct[place][0][c], features, MIDGE_DIRECT_FEATURES);
            a->ends[place][c] = midge_held(a, c, last[c] + step);
        }
    }
}

/* A unit goes on from `last`, the newest of its features, by a constant, Q22, and the sum of its other terms, Q42. Returns
   where it is, as a feature. */
MIDGE_KERNEL int32_t midge_reach(struct midge_ahead *a, int32_t unit, int32_t c, int32_t last, int32_t constant,
                                 int64_t sum) {
    const int32_t from = last + ((constant + 2) >> 2);
    const int32_t value = from + midge_narrowed(sum, 22);
    if (__builtin_expect((uint32_t)value - (uint32_t)a->near[c] > a->span[c], 0)) {
        const int32_t feature = midge_within(value, MIDGE_LARGEST_FEATURE);
        a->values[unit][c] = midge_held(a, c, feature);
        return feature;
    }
    a->values[unit][c] = value;
    return value;
}

MIDGE_PART void midge_joint_ahead(struct midge_ahead *a, const int32_t (*coefficients)[MIDGE_CHANNELS],
                                  int32_t *features, int32_t unit) {
    int32_t row[MIDGE_CHANNELS];
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const int32_t *column = &coefficients[1][c];
        int64_t sum = 0;
        MIDGE_TAKEN(column);
        MIDGE_UNROLLED
        for (int32_t k = 0; k < MIDGE_JOINT_LAGS * MIDGE_CHANNELS; k++) {
            sum += midge_product(column[k * MIDGE_CHANNELS], features[k]);
        }
        row[c] = midge_reach(a, unit, c, features[c], coefficients[0][c], sum);
    }
    midge_push(features, MIDGE_JOINT_LAGS, row);
}

/* The sum of what each channel's own features are worth, coefficients [rows][channels] and features alike. */
MIDGE_KERNEL int64_t midge_own_sum(const int32_t *coefficients, const int32_t *features, int32_t rows) {
    int64_t sum = 0;
    MIDGE_UNROLLED
    for (int32_t k = 0; k < rows; k++) {
        sum += midge_product(coefficients[k * MIDGE_CHANNELS], features[k * MIDGE_CHANNELS]);
    }
    return sum;
}

MIDGE_PART void midge_fast_ahead(const MIDGE_LEARNER *s, struct midge_ahead *a) {
    const int32_t *const features = a->view.lags;
    int32_t row[MIDGE_CHANNELS];
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const int64_t sum = midge_own_sum(&s->fast[1][c], features + c, MIDGE_FAST_LAGS);
        row[c] = midge_reach(a, MIDGE_FAST, c, features[c], s->fast[0][c], sum);
    }
    midge_push(a->view.lags, MIDGE_FAST_LAGS, row);
}

/* What the season unit sees next of the last season: past, or a row that it has made itself, whose place is taken by what
   it makes now. */
MIDGE_KERNEL void midge_push_seasonal(const MIDGE_LEARNER *s, struct midge_ahead *a, const int32_t *made) {
    const int32_t behind = s->counters[MIDGE_PERIOD] - 2;
    int32_t row[MIDGE_CHANNELS];
    if (a->lead < behind) {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            row[c] = midge_past_feature(s, behind - 1 - a->lead, c);
        }
    } else {
        MIDGE_COPY(row, a->made[a->at], sizeof row);
    }
    midge_push(a->seasonal, MIDGE_SEASONAL, row);
    if (a->at < MIDGE_MADE) {
        MIDGE_COPY(a->made[a->at], made, sizeof row);
    }
    a->at = a->at + 1 == behind ? 0 : a->at + 1;
}

MIDGE_PART void midge_season_ahead(const MIDGE_LEARNER *s, struct midge_ahead *a) {
    int32_t row[MIDGE_CHANNELS];
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const int64_t sum = midge_own_sum(&s->season[1][c], a->season + c, MIDGE_SEASON_LAGS) +
                            midge_own_sum(&s->season[1 + MIDGE_SEASON_LAGS][c], a->seasonal + c, MIDGE_SEASONAL);
        row[c] = midge_reach(a, MIDGE_SEASON, c, a->season[c], s->season[0][c], sum);
    }
    midge_push(a->season, MIDGE_SEASON_LAGS, row);
    midge_push_seasonal(s, a, row);
}

/* a times the part of one, Q31, that a lead is of a stretch. */
MIDGE_KERNEL int32_t midge_a_lead(int32_t a, int32_t part) { return (int32_t)midge_rounded(midge_product(a, part), 31); }

/* The direct unit goes from end to end in straight lines, level behind the last: the lines are chosen anew at each end. */
MIDGE_KERNEL void midge_direct_ahead(struct midge_ahead *a) {
    if (a->place < 0 || (a->place < MIDGE_DIRECT_ANCHORS && a->lead == midge_anchors[MIDGE_FIRST_DIRECT + a->place])) {
        a->place++;
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            a->slope[c] = a->place == MIDGE_DIRECT_ANCHORS
                              ? 0
                              : midge_a_lead(a->ends[a->place][c] - a->values[MIDGE_DIRECT][c], midge_direct_parts[a->place]);
        }
    }
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        a->values[MIDGE_DIRECT][c] = midge_narrow((int64_t)a->values[MIDGE_DIRECT][c] + a->slope[c]);
    }
}

/* One lead more. */
MIDGE_PART void midge_go_ahead(const MIDGE_LEARNER *s, struct midge_ahead *a) {
    midge_joint_ahead(a, (const int32_t(*)[MIDGE_CHANNELS])s->joint, a->joint, MIDGE_JOINT);
    midge_joint_ahead(a, a->regime_coefficients, a->regime, MIDGE_REGIME);
    midge_fast_ahead(s, a);
    midge_season_ahead(s, a);
    midge_direct_ahead(a);
    a->lead++;
}
