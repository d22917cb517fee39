/* Regimes: coefficients of the joint unit that are remembered, recognised and used again. */
#include "fixed_mixing.h"

/* What happened to the regimes at a tick. */
enum { MIDGE_NO_CHANGE = 0, MIDGE_DRIFT = 1, MIDGE_NEW_REGIME = 2 };

/* What the errors of a tick's forecasts are measured in: the inverse of each channel's mean error. */
struct midge_measure {
    int32_t inverse[MIDGE_CHANNELS], places[MIDGE_CHANNELS];
};

MIDGE_KERNEL void midge_new_measure(const MIDGE_LEARNER *s, struct midge_measure *measure) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const uint32_t residual = (uint32_t)(s->residual[c] + 16);
        const int32_t digits = midge_digits(residual);
        measure->inverse[c] = midge_reciprocal(midge_filled(residual, digits));
        measure->places[c] = 6 + digits;
    }
}

/* Mean over channels of squared errors of one-step forecasts, in mean errors, Q20. */
MIDGE_PART int32_t midge_relative_square(const struct midge_measure *measure, const int32_t (*coefficients)[MIDGE_CHANNELS],
                                         const struct midge_view *view, const int32_t *sample, const uint8_t *known) {
    int32_t told[MIDGE_CHANNELS];
    uint32_t sum = 0u;
    midge_joint_step(coefficients, view->lags, told);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        if (known[c]) {
            const int32_t error = midge_narrow((int64_t)(sample[c] - view->last[c]) - told[c]);
            const int64_t relative = midge_product(midge_magnitude(error), measure->inverse[c]) >> measure->places[c];
            const int32_t bounded = (int32_t)(relative < MIDGE_LARGEST_SURPRISE ? relative : MIDGE_LARGEST_SURPRISE);
            sum += (uint32_t)midge_rounded(midge_product(bounded, bounded), 20);
        }
    }
    return (int32_t)(sum / MIDGE_CHANNELS);
}

/* since: ticks that it has been learned for. */
MIDGE_KERNEL void midge_enter_regime(MIDGE_LEARNER *s, int32_t place, int32_t since) {
    s->counters[MIDGE_CURRENT] = place;
    s->counters[MIDGE_SEARCHING] = 0;
    s->counters[MIDGE_SINCE] = since;
    s->watch[MIDGE_EVIDENCE] = 0;
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
MIDGE_KERNEL int32_t midge_wildness(const MIDGE_LEARNER *s) {
    const int32_t spread = midge_max(midge_min(s->watch[MIDGE_SPREAD], MIDGE_LIMIT / 2) * 2, MIDGE_ONE);
    return midge_times(spread, spread, 20);
}

/* Add a tick's evidence; 1 where it has just become enough. */
MIDGE_KERNEL int midge_is_change(MIDGE_LEARNER *s, int32_t error) {
    const int32_t ratio = midge_quotient(error, s->watch[MIDGE_LEVEL] + 1, 20);
    const int32_t excess = midge_min(ratio, MIDGE_LARGEST_EXCESS);
    const int32_t evidence = midge_min(s->watch[MIDGE_EVIDENCE], MIDGE_LIMIT - MIDGE_LARGEST_EXCESS) + excess;
    const int32_t slack = midge_min(midge_times(MIDGE_CHANGE_SLACK, midge_wildness(s), 20), MIDGE_LARGEST_SLACK);
    s->watch[MIDGE_EVIDENCE] = midge_max(evidence - MIDGE_ONE - slack, 0);
    if (s->counters[MIDGE_SEARCHING] != 0 || s->watch[MIDGE_EVIDENCE] <= MIDGE_CHANGE_EVIDENCE) {
        return 0;
    }
    s->watch[MIDGE_EVIDENCE] = 0;
    s->counters[MIDGE_SEARCHING] = 1;
    return 1;
}

/* The joint unit learns quickly from now on. */
MIDGE_KERNEL void midge_doubt(MIDGE_LEARNER *s) {
    for (int32_t k = 0; k < MIDGE_JOINT_FEATURES; k++) {
        s->joint_variances[0][k] = midge_max(s->joint_variances[0][k], MIDGE_DOUBT);
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
MIDGE_PART void midge_compare(MIDGE_LEARNER *s, int32_t error, const int32_t *squares) {
    const int32_t level = midge_times(s->watch[MIDGE_LEVEL] + 1, midge_wildness(s), 20);
    for (int32_t place = 0; place < s->counters[MIDGE_KNOWN]; place++) {
        const int32_t apart = error - squares[place];
        const int32_t ratio = midge_min(midge_quotient(midge_magnitude(apart), level, 20), MIDGE_LARGEST_ADVANTAGE);
        const int32_t before = midge_min(s->pool_advantage[place], MIDGE_LIMIT - MIDGE_LARGEST_ADVANTAGE);
        const int32_t least = s->counters[MIDGE_SEARCHING] != 0 ? -MIDGE_LIMIT - 1 : 0;
        const int32_t evidence = before + (apart < 0 ? -ratio : ratio) - MIDGE_ADVANTAGE_SLACK;
        s->pool_advantage[place] = midge_max(evidence, least);
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
    const int32_t best = midge_best_regime(s), error = s->watch[MIDGE_ERROR];
    if (s->pool_error[best] < midge_times(error, MIDGE_RECALL_RATIO, 24)) {
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
    if (s->pool_advantage[likeliest] >= -MIDGE_KNOWN_LOSS) {
        s->watch[MIDGE_LEVEL] = error;
        midge_enter_regime(s, likeliest, 0);
        return 0;
    }
    midge_open_regime(s, midge_free_place(s));
    return 1;
}

/* Outside of a search: follow the usual level, and store the regime while it is calm. */
MIDGE_KERNEL void midge_settle(MIDGE_LEARNER *s, int32_t error) {
    const int32_t current = s->counters[MIDGE_CURRENT];
    int32_t level = s->watch[MIDGE_LEVEL];
    if (error < MIDGE_LARGEST_CALM) {
        const int32_t rate = s->counters[MIDGE_SINCE] < MIDGE_YOUNG_TICKS ? MIDGE_YOUNG_LEVEL_RATE : MIDGE_LEVEL_RATE;
        const int32_t rise = midge_min(midge_quotient(error, level + 1, 24), MIDGE_LARGEST_RISE);
        const int32_t away = (rise >> 4) - MIDGE_ONE;
        int32_t *const spread = &s->watch[MIDGE_SPREAD];
        *spread = midge_towards(*spread, midge_times(away, away, 20), MIDGE_LEVEL_RATE, midge_dither(s));
        level = midge_towards(level, midge_times(rise, level, 24), rate, midge_dither(s));
        s->watch[MIDGE_LEVEL] = level;
    }
    if (s->counters[MIDGE_TICKS] % MIDGE_STORE_TICKS == 0 &&
        s->watch[MIDGE_ERROR] < midge_times(level, MIDGE_CALM, 24)) {
        MIDGE_COPY(s->pool[current], s->joint, sizeof s->joint);
        s->pool_level[current] = level;
        s->pool_used[current] = s->counters[MIDGE_TICKS];
    }
}

/* Follow the errors of all regimes: that of the joint unit at this tick, and squares of [known regimes]. */
MIDGE_KERNEL int32_t midge_follow_errors(MIDGE_LEARNER *s, const struct midge_view *view, const int32_t *sample,
                                         const uint8_t *known, int32_t *squares) {
    const uint32_t dither = midge_dither(s);
    struct midge_measure measure;
    midge_new_measure(s, &measure);
    const int32_t error =
        midge_relative_square(&measure, (const int32_t(*)[MIDGE_CHANNELS])s->joint, view, sample, known);
    s->watch[MIDGE_ERROR] = midge_towards(s->watch[MIDGE_ERROR], error, MIDGE_RECENT, dither);
    for (int32_t place = 0; place < s->counters[MIDGE_KNOWN]; place++) {
        const int32_t (*const regime)[MIDGE_CHANNELS] = (const int32_t(*)[MIDGE_CHANNELS])s->pool[place];
        squares[place] = midge_relative_square(&measure, regime, view, sample, known);
        s->pool_error[place] = midge_towards(s->pool_error[place], squares[place], MIDGE_RECENT, dither);
    }
    return error;
}

/* Change regime where errors say so. */
MIDGE_PART int midge_watch(MIDGE_LEARNER *s, const struct midge_view *view, const int32_t *sample,
                           const uint8_t *known) {
    int32_t squares[MIDGE_REGIMES];
    const int32_t error = midge_follow_errors(s, view, sample, known, squares);
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
