/* Forecasts of every unit, one lead after the other. */
#include "learner_learning.h"

/* A window holds the last rows of features, [rows][channels]; the newest is at `newest`, older ones behind it, around
   the end. */
struct midge_window {
    int32_t rows, newest;
    float *features;
};

/* A walk through the leads; the state must not change meanwhile.

   lead: what `values` are of; 0 before the first.
   values: [units][channels], in units of the channel.
   reached: what units that are iterated go on from.
   made: features that the season unit has made, by lead. */
struct midge_ahead {
    int32_t lead, place;
    const float (*regime_coefficients)[MIDGE_CHANNELS];
    float values[MIDGE_UNITS][MIDGE_CHANNELS], reached[MIDGE_UNITS][MIDGE_CHANNELS];
    float low[MIDGE_CHANNELS], high[MIDGE_CHANNELS];
    float ends[1 + MIDGE_DIRECT_ANCHORS][MIDGE_CHANNELS];
    struct midge_window joint, regime, fast, season, seasonal;
    float joint_features[MIDGE_JOINT_LAGS * MIDGE_CHANNELS], regime_features[MIDGE_JOINT_LAGS * MIDGE_CHANNELS];
    float fast_features[MIDGE_FAST_LAGS * MIDGE_CHANNELS], season_features[MIDGE_SEASON_LAGS * MIDGE_CHANNELS];
    float seasonal_features[MIDGE_SEASONAL * MIDGE_CHANNELS];
    float made[MIDGE_HORIZON][MIDGE_CHANNELS];
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
MIDGE_KERNEL void midge_limits(const MIDGE_LEARNER *s, int32_t c, float last, float *low, float *high) {
    const float inverse = midge_inverse(s->scale[c]);
    const float middle = (s->mean[c] - s->offset[c]) * inverse;
    const float spread = midge_sqrt_f32(s->variance[c]) * inverse;
    *low = midge_least(middle - MIDGE_RANGE * spread, last - MIDGE_REACH * spread);
    *high = midge_most(middle + MIDGE_RANGE * spread, last + MIDGE_REACH * spread);
}

MIDGE_KERNEL float midge_held(const struct midge_ahead *a, int32_t c, float value) {
    return midge_least(midge_most(value, a->low[c]), a->high[c]);
}

MIDGE_KERNEL struct midge_window midge_new_window(float *features, int32_t rows, const float *lags) {
    const struct midge_window window = {rows, 0, features};
    MIDGE_COPY(features, lags, sizeof(float) * MIDGE_CHANNELS * (size_t)rows);
    return window;
}

/* Where the oldest row was, for the newest. */
MIDGE_KERNEL float *midge_next_row(struct midge_window *window) {
    window->newest = (window->newest == 0 ? window->rows : window->newest) - 1;
    return window->features + window->newest * MIDGE_CHANNELS;
}

MIDGE_KERNEL void midge_begin_windows(const MIDGE_LEARNER *s, struct midge_ahead *a, const float *lags) {
    float seasonal[MIDGE_SEASONAL * MIDGE_CHANNELS];
    for (int32_t k = 0; k < MIDGE_SEASONAL; k++) {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            seasonal[k * MIDGE_CHANNELS + c] = midge_past_feature(s, s->counters[MIDGE_PERIOD] - 2 + k, c);
        }
    }
    a->joint = midge_new_window(a->joint_features, MIDGE_JOINT_LAGS, lags);
    a->regime = midge_new_window(a->regime_features, MIDGE_JOINT_LAGS, lags);
    a->fast = midge_new_window(a->fast_features, MIDGE_FAST_LAGS, lags);
    a->season = midge_new_window(a->season_features, MIDGE_SEASON_LAGS, lags);
    a->seasonal = midge_new_window(a->seasonal_features, MIDGE_SEASONAL, seasonal);
}

MIDGE_PART void midge_begin_ahead(const MIDGE_LEARNER *s, struct midge_ahead *a) {
    const int32_t best = midge_best_regime(s);
    struct midge_view view;
    midge_look_back(s, &view);
    a->lead = 0;
    a->place = 1;
    a->regime_coefficients = (const float(*)[MIDGE_CHANNELS])(best >= 0 ? s->pool[best] : s->joint);
    midge_begin_windows(s, a, view.lags);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        float features[MIDGE_DIRECT_FEATURES];
        midge_limits(s, c, view.last[c], &a->low[c], &a->high[c]);
        for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
            a->reached[unit][c] = view.last[c];
        }
        a->values[MIDGE_PERSISTENCE][c] = view.last[c];
        midge_direct_features(s, 0, c, features);
        a->ends[0][c] = view.last[c];
        for (int32_t place = 0; place < MIDGE_DIRECT_ANCHORS; place++) {
            const float step = midge_own_step(&s->direct[place][0][c], features, MIDGE_DIRECT_FEATURES);
            a->ends[1 + place][c] = midge_held(a, c, view.last[c] + step);
        }
    }
}

/* sums: [channels], plus coefficients [rows * channels][channels] times every feature of every row. */
MIDGE_KERNEL void midge_add_joint(float *sums, const struct midge_window *window, int32_t rows,
                                  const float (*coefficients)[MIDGE_CHANNELS]) {
    for (int32_t k = 0, row = window->newest; k < rows; k++, row = row + 1 == rows ? 0 : row + 1) {
        for (int32_t from = 0; from < MIDGE_CHANNELS; from++, coefficients++) {
            const float feature = window->features[row * MIDGE_CHANNELS + from];
            for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
                sums[c] += (*coefficients)[c] * feature;
            }
        }
    }
}

/* The same where each channel sees itself: coefficients [rows][channels]. */
MIDGE_KERNEL void midge_add_own(float *sums, const struct midge_window *window, int32_t rows,
                                const float (*coefficients)[MIDGE_CHANNELS]) {
    for (int32_t k = 0, row = window->newest; k < rows; k++, row = row + 1 == rows ? 0 : row + 1) {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            sums[c] += coefficients[k][c] * window->features[row * MIDGE_CHANNELS + c];
        }
    }
}

/* A unit reaches its next values by a step, and sees them. */
MIDGE_KERNEL void midge_reach(struct midge_ahead *a, int32_t unit, const float *step, struct midge_window *window) {
    float *const row = midge_next_row(window);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        float value = a->reached[unit][c] + step[c], feature = value;
        if (__builtin_expect(midge_magnitude(value) > MIDGE_LARGEST_FEATURE, 0)) {
            value = midge_within(value, MIDGE_LARGEST_VALUE);
            feature = midge_within(value, MIDGE_LARGEST_FEATURE);
        }
        a->reached[unit][c] = value;
        a->values[unit][c] = midge_held(a, c, value);
        row[c] = feature;
    }
}

MIDGE_PART void midge_joint_ahead(struct midge_ahead *a, const float (*coefficients)[MIDGE_CHANNELS],
                                  struct midge_window *window, int32_t unit) {
    float step[MIDGE_CHANNELS];
    MIDGE_COPY(step, coefficients[0], sizeof step);
    midge_add_joint(step, window, MIDGE_JOINT_LAGS, coefficients + 1);
    midge_reach(a, unit, step, window);
}

MIDGE_KERNEL void midge_fast_ahead(const MIDGE_LEARNER *s, struct midge_ahead *a) {
    float step[MIDGE_CHANNELS];
    MIDGE_COPY(step, s->fast[0], sizeof step);
    midge_add_own(step, &a->fast, MIDGE_FAST_LAGS, (const float(*)[MIDGE_CHANNELS])s->fast + 1);
    midge_reach(a, MIDGE_FAST, step, &a->fast);
}

/* What the season unit sees next of the last season: rows that it has made itself, or past. */
MIDGE_KERNEL void midge_push_seasonal(const MIDGE_LEARNER *s, struct midge_ahead *a) {
    const int32_t made = a->lead - (s->counters[MIDGE_PERIOD] - 2);
    float *const row = midge_next_row(&a->seasonal);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        row[c] = made >= 0 ? a->made[made][c] : midge_past_feature(s, -1 - made, c);
    }
}

MIDGE_KERNEL void midge_season_ahead(const MIDGE_LEARNER *s, struct midge_ahead *a) {
    const float (*const coefficients)[MIDGE_CHANNELS] = (const float(*)[MIDGE_CHANNELS])s->season;
    float step[MIDGE_CHANNELS];
    MIDGE_COPY(step, coefficients[0], sizeof step);
    midge_add_own(step, &a->season, MIDGE_SEASON_LAGS, coefficients + 1);
    midge_add_own(step, &a->seasonal, MIDGE_SEASONAL, coefficients + 1 + MIDGE_SEASON_LAGS);
    midge_reach(a, MIDGE_SEASON, step, &a->season);
    MIDGE_COPY(a->made[a->lead], a->season.features + a->season.newest * MIDGE_CHANNELS, sizeof step);
    midge_push_seasonal(s, a);
}

/* Where `lead` lies on the way from one lead to another, at most 1. */
MIDGE_KERNEL float midge_part(int32_t lead, int32_t from, int32_t to) {
    return midge_least(midge_quotient((float)(lead - from), (float)(to - from)), 1.0f);
}

/* The lead of an end: 0 is now. */
MIDGE_KERNEL int32_t midge_end(int32_t place) { return place > 0 ? midge_anchors[MIDGE_FIRST_DIRECT + place - 1] : 0; }

/* Straight lines between the ends, level behind the last. */
MIDGE_KERNEL void midge_direct_ahead(struct midge_ahead *a, int32_t lead) {
    while (a->place < MIDGE_DIRECT_ANCHORS && lead > midge_end(a->place)) {
        a->place++;
    }
    const float part = midge_part(lead, midge_end(a->place - 1), midge_end(a->place));
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const float start = a->ends[a->place - 1][c], end = a->ends[a->place][c];
        a->values[MIDGE_DIRECT][c] = start + (end - start) * part;
    }
}

/* One lead more. */
MIDGE_PART void midge_go_ahead(const MIDGE_LEARNER *s, struct midge_ahead *a) {
    midge_joint_ahead(a, (const float(*)[MIDGE_CHANNELS])s->joint, &a->joint, MIDGE_JOINT);
    midge_joint_ahead(a, a->regime_coefficients, &a->regime, MIDGE_REGIME);
    midge_fast_ahead(s, a);
    midge_season_ahead(s, a);
    midge_direct_ahead(a, a->lead + 1);
    a->lead++;
}
