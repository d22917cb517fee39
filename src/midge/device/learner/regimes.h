/* Regimes: coefficients of the joint unit that are remembered, recognised and used again. What is told, recalled, opened and
   stored, in any arithmetic. It stands behind `learner_errors.h` or `fixed_errors.h`, which follow the errors and give, of
   numbers (midge_number) and of shares, which numbers are multiplied by:

   midge_larger(a, b), midge_smaller(a, b)
   midge_scaled(a, b)                  a number times a number
   midge_part(whole, share)            a share of a number
   midge_ratio(a, b), midge_share(a, b)  a / b as a number, as a share; a >= 0, b > 0
   midge_bounded_ratio(a, b, limit)    a / b as a number between -limit and limit, b > 0
   midge_number_of(share)              a share as a number
   midge_twice(value)                  or as much as there is room for
   midge_with_room(evidence, room)     evidence, so low that it can grow by so much
   midge_kept(evidence)                within what the state keeps
   midge_followed(s, mean, seen, rate) where a mean goes at this tick */
#include "learner_places.h"

/* What happened to the regimes at a tick. */
enum { MIDGE_NO_CHANGE = 0, MIDGE_DRIFT = 1, MIDGE_NEW_REGIME = 2 };

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
MIDGE_KERNEL midge_number midge_wildness(const MIDGE_LEARNER *s) {
    const midge_number spread = midge_larger(midge_twice(s->watch[MIDGE_SPREAD]), MIDGE_ONE);
    return midge_scaled(spread, spread);
}

/* Add a tick's evidence; 1 where it has just become enough. */
MIDGE_KERNEL int midge_is_change(MIDGE_LEARNER *s, midge_number error) {
    const midge_number ratio = midge_ratio(error, s->watch[MIDGE_LEVEL] + MIDGE_TINY);
    const midge_number excess = midge_smaller(ratio, MIDGE_LARGEST_EXCESS);
    const midge_number slack = midge_smaller(midge_scaled(MIDGE_CHANGE_SLACK, midge_wildness(s)), MIDGE_LARGEST_SLACK);
    const midge_number before = midge_with_room(s->watch[MIDGE_EVIDENCE], MIDGE_LARGEST_EXCESS);
    s->watch[MIDGE_EVIDENCE] = midge_larger(before + (excess - MIDGE_ONE - slack), 0);
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
        s->joint_variances[0][k] = midge_larger(s->joint_variances[0][k], MIDGE_DOUBT);
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
MIDGE_PART void midge_compare(MIDGE_LEARNER *s, midge_number error, const midge_number *squares) {
    const midge_number usual = midge_scaled(s->watch[MIDGE_LEVEL] + MIDGE_TINY, midge_wildness(s));
    for (int32_t place = 0; place < s->counters[MIDGE_KNOWN]; place++) {
        const midge_number advantage = midge_bounded_ratio(error - squares[place], usual, MIDGE_LARGEST_ADVANTAGE);
        const midge_number before = midge_with_room(s->pool_advantage[place], MIDGE_LARGEST_ADVANTAGE);
        const midge_number evidence = midge_kept(before + (advantage - MIDGE_ADVANTAGE_SLACK));
        s->pool_advantage[place] = s->counters[MIDGE_SEARCHING] != 0 ? evidence : midge_larger(evidence, 0);
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
    const midge_number error = s->watch[MIDGE_ERROR];
    if (s->pool_error[best] < midge_part(error, MIDGE_RECALL_RATIO)) {
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
MIDGE_KERNEL void midge_settle(MIDGE_LEARNER *s, midge_number error) {
    const int32_t current = s->counters[MIDGE_CURRENT];
    midge_number level = s->watch[MIDGE_LEVEL];
    if (error < MIDGE_LARGEST_CALM) {
        const int is_young = s->counters[MIDGE_SINCE] < MIDGE_YOUNG_TICKS;
        const midge_number rate = is_young ? MIDGE_YOUNG_LEVEL_RATE : MIDGE_LEVEL_RATE;
        const midge_number rise = midge_smaller(midge_share(error, level + MIDGE_TINY), MIDGE_LARGEST_RISE);
        const midge_number away = midge_number_of(rise) - MIDGE_ONE;
        midge_number *const spread = &s->watch[MIDGE_SPREAD];
        *spread = midge_followed(s, *spread, midge_scaled(away, away), MIDGE_LEVEL_RATE);
        level = midge_followed(s, level, midge_part(level, rise), rate);
        s->watch[MIDGE_LEVEL] = level;
    }
    if (s->counters[MIDGE_TICKS] % MIDGE_STORE_TICKS == 0 && s->watch[MIDGE_ERROR] < midge_part(level, MIDGE_CALM)) {
        MIDGE_COPY(s->pool[current], s->joint, sizeof s->joint);
        s->pool_level[current] = level;
        s->pool_used[current] = s->counters[MIDGE_TICKS];
    }
}

/* Change regime where errors say so. */
MIDGE_PART int midge_watch(MIDGE_LEARNER *s, const struct midge_view *view, const midge_number *sample,
                           const uint8_t *known) {
    midge_number squares[MIDGE_REGIMES];
    const midge_number error = midge_follow_errors(s, view, sample, known, squares);
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
