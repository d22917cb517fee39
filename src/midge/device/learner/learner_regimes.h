/* Regimes: coefficients of the joint unit that are remembered, recognised and used again. */
#include "learner_mixing.h"

/* What happened to the regimes at a tick. */
enum { MIDGE_NO_CHANGE = 0, MIDGE_DRIFT = 1, MIDGE_NEW_REGIME = 2 };

/* The place of the regime that forecasts best lately; -1 if there is none. */
MIDGE_KERNEL int32_t midge_best_regime(const MIDGE_LEARNER *s) {
    int32_t best = s->counters[MIDGE_KNOWN] > 0 ? 0 : -1;
    for (int32_t place = 1; place < s->counters[MIDGE_KNOWN]; place++) {
        best = s->pool_error[place] < s->pool_error[best] ? place : best;
    }
    return best;
}

/* Mean over channels of squared errors of one-step forecasts, in units of the residual's. */
MIDGE_PART float midge_relative_square(const MIDGE_LEARNER *s, const float (*coefficients)[MIDGE_CHANNELS],
                                       const struct midge_view *view, const float *sample, const uint8_t *known) {
    float told[MIDGE_CHANNELS], sum = 0.0f;
    midge_joint_step(coefficients, view->lags, told);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        if (known[c]) {
            const float relative = midge_quotient(sample[c] - view->last[c] - told[c], s->residual[c] + 1e-6f);
            sum += midge_least(relative * relative, MIDGE_LARGEST_SURPRISE);
        }
    }
    return midge_quotient(sum, (float)MIDGE_CHANNELS);
}

/* since: ticks that it has been learned for. */
MIDGE_KERNEL void midge_enter_regime(MIDGE_LEARNER *s, int32_t place, int32_t since) {
    s->counters[MIDGE_CURRENT] = place;
    s->counters[MIDGE_SEARCHING] = 0;
    s->counters[MIDGE_SINCE] = since;
    s->watch[MIDGE_EVIDENCE] = 0.0f;
    MIDGE_FILL(s->pool_advantage, 0, sizeof s->pool_advantage);
    s->pool_used[place] = s->counters[MIDGE_TICKS];
}

/* The joint unit as it is becomes a new regime. */
MIDGE_PART void midge_open_regime(MIDGE_LEARNER *s, int32_t place) {
    int32_t *const next = &s->counters[MIDGE_NEXT_ID];
    MIDGE_COPY(s->pool[place], s->joint, sizeof s->joint);
    s->pool_error[place] = s->watch[MIDGE_ERROR];
    s->pool_level[place] = s->watch[MIDGE_ERROR];
    s->watch[MIDGE_LEVEL] = s->watch[MIDGE_ERROR];
    s->pool_id[place] = *next;
    *next += *next < INT32_MAX ? 1 : 0;
    s->counters[MIDGE_KNOWN] = midge_max(s->counters[MIDGE_KNOWN], place + 1);
    midge_enter_regime(s, place, 0);
}

/* An empty place of the pool, or the least recently used one but the present. */
MIDGE_KERNEL int32_t midge_free_place(const MIDGE_LEARNER *s) {
    if (s->counters[MIDGE_KNOWN] < MIDGE_REGIMES) {
        return s->counters[MIDGE_KNOWN];
    }
    int32_t oldest = s->counters[MIDGE_CURRENT] == 0 ? 1 : 0;
    for (int32_t place = oldest + 1; place < MIDGE_REGIMES; place++) {
        if (place != s->counters[MIDGE_CURRENT] && s->pool_used[place] < s->pool_used[oldest]) {
            oldest = place;
        }
    }
    return oldest;
}

/* How wild errors are, at least 1: the square of twice their spread. */
MIDGE_KERNEL float midge_wildness(const MIDGE_LEARNER *s) {
    const float spread = midge_most(2.0f * s->watch[MIDGE_SPREAD], 1.0f);
    return spread * spread;
}

/* Add a tick's evidence; 1 where it has just become enough. */
MIDGE_KERNEL int midge_is_change(MIDGE_LEARNER *s, float error) {
    const float excess = midge_least(midge_quotient(error, s->watch[MIDGE_LEVEL] + 1e-6f), MIDGE_LARGEST_EXCESS);
    const float slack = midge_least(MIDGE_CHANGE_SLACK * midge_wildness(s), MIDGE_LARGEST_SLACK);
    const float evidence = s->watch[MIDGE_EVIDENCE] + (excess - 1.0f - slack);
    s->watch[MIDGE_EVIDENCE] = midge_most(evidence, 0.0f);
    if (s->counters[MIDGE_SEARCHING] != 0 || s->watch[MIDGE_EVIDENCE] <= MIDGE_CHANGE_EVIDENCE) {
        return 0;
    }
    s->watch[MIDGE_EVIDENCE] = 0.0f;
    s->counters[MIDGE_SEARCHING] = 1;
    return 1;
}

/* The joint unit learns quickly from now on. */
MIDGE_KERNEL void midge_doubt(MIDGE_LEARNER *s) {
    for (int32_t k = 0; k < MIDGE_JOINT_FEATURES; k++) {
        s->joint_variances[0][k] = midge_most(s->joint_variances[0][k], MIDGE_DOUBT);
    }
}

/* The joint unit goes on from a regime's coefficients, and is believed. */
MIDGE_PART void midge_recall(MIDGE_LEARNER *s, int32_t place) {
    MIDGE_COPY(s->joint, s->pool[place], sizeof s->joint);
    midge_trust(s);
    s->watch[MIDGE_ERROR] = s->pool_error[place];
    s->watch[MIDGE_LEVEL] = s->pool_level[place];
    midge_enter_regime(s, place, MIDGE_YOUNG_TICKS);
}

/* Add a tick's advantages over the joint unit, whose error is given, to the evidence for each regime. */
MIDGE_PART void midge_compare(MIDGE_LEARNER *s, float error, const float *squares) {
    const float level = (s->watch[MIDGE_LEVEL] + 1e-6f) * midge_wildness(s);
    for (int32_t place = 0; place < s->counters[MIDGE_KNOWN]; place++) {
        const float relative = midge_quotient(error - squares[place], level);
        const float bounded = midge_within(relative, MIDGE_LARGEST_ADVANTAGE);
        const float evidence = s->pool_advantage[place] + (bounded - MIDGE_ADVANTAGE_SLACK);
        s->pool_advantage[place] = s->counters[MIDGE_SEARCHING] != 0 ? evidence : midge_most(evidence, 0.0f);
    }
}

/* The regime with most evidence for it. */
MIDGE_KERNEL int32_t midge_likeliest(const MIDGE_LEARNER *s) {
    int32_t likeliest = 0;
    for (int32_t place = 1; place < s->counters[MIDGE_KNOWN]; place++) {
        likeliest = s->pool_advantage[place] > s->pool_advantage[likeliest] ? place : likeliest;
    }
    return likeliest;
}

/* Recall a regime, or give up and open one: whether it did. */
MIDGE_PART int midge_search(MIDGE_LEARNER *s) {
    s->counters[MIDGE_SEARCHING]++;
    const int32_t best = midge_best_regime(s);
    const float error = s->watch[MIDGE_ERROR];
    if (s->pool_error[best] < MIDGE_RECALL_RATIO * error) {
        midge_recall(s, best);
        return 0;
    }
    if (s->counters[MIDGE_SEARCHING] == MIDGE_DOUBT_TICKS) {
        midge_doubt(s);
    }
    if (s->counters[MIDGE_SEARCHING] <= MIDGE_SEARCH_TICKS) {
        return 0;
    }
    const int32_t likeliest = midge_likeliest(s);
    if (s->pool_advantage[likeliest] >= -MIDGE_KNOWN_ALREADY * (float)MIDGE_SEARCH_TICKS) {
        s->watch[MIDGE_LEVEL] = error;
        midge_enter_regime(s, likeliest, 0);
        return 0;
    }
    midge_open_regime(s, midge_free_place(s));
    return 1;
}

/* Outside of a search: follow the usual level, and store the regime while it is calm. */
MIDGE_KERNEL void midge_settle(MIDGE_LEARNER *s, float error) {
    const int32_t current = s->counters[MIDGE_CURRENT];
    float level = s->watch[MIDGE_LEVEL];
    if (error < MIDGE_LARGEST_SURPRISE) {
        const float rate = s->counters[MIDGE_SINCE] < MIDGE_YOUNG_TICKS ? MIDGE_YOUNG_LEVEL_RATE : MIDGE_LEVEL_RATE;
        const float rise = midge_least(midge_quotient(error, level + 1e-6f), MIDGE_LARGEST_RISE);
        const float away = rise - 1.0f;
        s->watch[MIDGE_SPREAD] += MIDGE_LEVEL_RATE * (away * away - s->watch[MIDGE_SPREAD]);
        level = level + rate * (rise * level - level);
        s->watch[MIDGE_LEVEL] = level;
    }
    if (s->counters[MIDGE_TICKS] % MIDGE_STORE_TICKS == 0 && s->watch[MIDGE_ERROR] < MIDGE_CALM * level) {
        MIDGE_COPY(s->pool[current], s->joint, sizeof s->joint);
        s->pool_level[current] = level;
        s->pool_used[current] = s->counters[MIDGE_TICKS];
    }
}

/* Follow the errors of all regimes: that of the joint unit at this tick, and squares of [known regimes]. */
MIDGE_KERNEL float midge_follow_errors(MIDGE_LEARNER *s, const struct midge_view *view, const float *sample,
                                       const uint8_t *known, float *squares) {
    const float error = midge_relative_square(s, (const float(*)[MIDGE_CHANNELS])s->joint, view, sample, known);
    s->watch[MIDGE_ERROR] += MIDGE_RECENT * (error - s->watch[MIDGE_ERROR]);
    for (int32_t place = 0; place < s->counters[MIDGE_KNOWN]; place++) {
        const float (*const regime)[MIDGE_CHANNELS] = (const float(*)[MIDGE_CHANNELS])s->pool[place];
        squares[place] = midge_relative_square(s, regime, view, sample, known);
        s->pool_error[place] += MIDGE_RECENT * (squares[place] - s->pool_error[place]);
    }
    return error;
}

/* Change regime where errors say so. */
MIDGE_PART int midge_watch(MIDGE_LEARNER *s, const struct midge_view *view, const float *sample,
                           const uint8_t *known) {
    float squares[MIDGE_REGIMES];
    const float error = midge_follow_errors(s, view, sample, known, squares);
    if (s->counters[MIDGE_TICKS] <= MIDGE_FIRST_REGIME_TICKS) {
        return MIDGE_NO_CHANGE;
    }
    if (s->counters[MIDGE_KNOWN] == 0) {
        midge_open_regime(s, 0);
        return MIDGE_NEW_REGIME;
    }
    s->counters[MIDGE_SINCE] += s->counters[MIDGE_SINCE] < 1 << 30 ? 1 : 0;
    const int drift = midge_is_change(s, error) ? MIDGE_DRIFT : MIDGE_NO_CHANGE;
    midge_compare(s, error, squares);
    const int32_t best = midge_best_regime(s);
    if (s->pool_advantage[best] > MIDGE_RECALL_ADVANTAGE) {
        const int is_other = best != s->counters[MIDGE_CURRENT];
        midge_recall(s, best);
        return is_other ? MIDGE_DRIFT : drift;
    }
    if (s->counters[MIDGE_SEARCHING] != 0) {
        return drift | (midge_search(s) ? MIDGE_NEW_REGIME : MIDGE_NO_CHANGE);
    }
    midge_settle(s, error);
    return drift;
}
