/* Forecasts of units that see one channel: all leads of a channel, with its coefficients in registers. */
#include "learner_straight.h"

/* So many leads of a unit of one channel in one round. */
#ifdef MIDGE_HAS_FPU
#define MIDGE_AT_ONCE 3
#else
#define MIDGE_AT_ONCE 1
#endif

/* step: what a channel's own coefficients of `count` features make of them. */
MIDGE_KERNEL float midge_add_own(float step, const float *coefficients, const float *features, int32_t count) {
    MIDGE_UNROLLED
    for (int32_t k = 0; k < count; k++) {
        step += coefficients[k] * features[k];
    }
    return step;
}

/* A new feature comes before the others. */
MIDGE_KERNEL void midge_push(float *features, int32_t count, float feature) {
    MIDGE_UNROLLED
    for (int32_t k = count - 1; k > 0; k--) {
        features[k] = features[k - 1];
    }
    features[0] = feature;
}

/* Column `c` of rows of channels. */
MIDGE_KERNEL void midge_column(float *column, const float *rows, int32_t count, int32_t c) {
    MIDGE_UNROLLED
    for (int32_t k = 0; k < count; k++) {
        column[k] = rows[k * MIDGE_CHANNELS + c];
    }
}

/* Where a unit of one channel is mixed in: forecasts from a lead on, and parts of the way. */
struct midge_place {
    float *mixed;
    const float *parts;
    struct midge_share share;
};

MIDGE_KERNEL struct midge_place midge_first_place(const struct midge_ahead *a, int32_t c) {
    const struct midge_place place = {&a->mixed[0][c], midge_parts, {0.0f, 0.0f}};
    return place;
}

/* To the lead that is `k` further; place: NULL where nothing is mixed. */
MIDGE_KERNEL void midge_mix(const struct midge_place *place, int32_t k, float value) {
    if (place) {
        place->mixed[k * MIDGE_CHANNELS] += midge_term(place->share, place->parts[k], value);
    }
}

MIDGE_KERNEL void midge_go_on(struct midge_place *place, int32_t leads) {
    if (place) {
        place->mixed += leads * MIDGE_CHANNELS;
        place->parts += leads;
    }
}

/* The fast unit of a channel. */
struct midge_fast_walk {
    float coefficients[MIDGE_FAST_FEATURES], features[MIDGE_FAST_LAGS];
    struct midge_reached reached;
};

MIDGE_KERNEL float midge_fast_sum(const struct midge_fast_walk *walk) {
    const float *const coefficients = walk->coefficients;
    return walk->reached.value + midge_add_own(coefficients[0], coefficients + 1, walk->features, MIDGE_FAST_LAGS);
}

MIDGE_KERNEL void midge_fast_on(struct midge_fast_walk *walk, struct midge_reached reached) {
    walk->reached = reached;
    midge_push(walk->features, MIDGE_FAST_LAGS, reached.feature);
}

/* Some leads, as long as none is far: how many. */
MIDGE_KERNEL int32_t midge_fast_near(const struct midge_ahead *a, int32_t c, struct midge_fast_walk *walk,
                                     const struct midge_place *place) {
    MIDGE_UNROLLED
    for (int32_t k = 0; k < MIDGE_AT_ONCE; k++) {
        const float sum = midge_fast_sum(walk);
        if (midge_is_far(a, c, sum)) {
            return k;
        }
        midge_fast_on(walk, midge_reached_alike(sum));
        midge_mix(place, k, sum);
    }
    return MIDGE_AT_ONCE;
}

/* Leads of a stretch. */
MIDGE_KERNEL void midge_fast_some(const struct midge_ahead *a, int32_t c, struct midge_fast_walk *walk, int32_t leads,
                                  struct midge_place *place) {
    while (leads > 0) {
        for (; leads >= MIDGE_AT_ONCE; leads -= MIDGE_AT_ONCE) {
            const int32_t done = midge_fast_near(a, c, walk, place);
            if (MIDGE_UNLIKELY(done < MIDGE_AT_ONCE)) {
                midge_go_on(place, done);
                leads -= done;
                break;
            }
            midge_go_on(place, MIDGE_AT_ONCE);
        }
        MIDGE_SELDOM
        for (int32_t k = 0; k < MIDGE_AT_ONCE && leads > 0; k++, leads--) {
            midge_fast_on(walk, midge_reach(a, c, midge_fast_sum(walk)));
            midge_mix(place, 0, walk->reached.forecast);
            midge_go_on(place, 1);
        }
    }
}

MIDGE_PART void midge_fast_ahead(const MIDGE_LEARNER *s, const struct midge_ahead *a, int32_t c) {
    struct midge_place place = midge_first_place(a, c);
    struct midge_fast_walk walk;
    walk.reached = midge_reached_alike(a->view.last[c]);
    midge_column(walk.coefficients, s->fast[0], MIDGE_FAST_FEATURES, c);
    midge_column(walk.features, a->view.lags, MIDGE_FAST_LAGS, c);
    for (const struct midge_stretch *x = a->stretches; x < a->stretches + a->count; x++) {
        if (x < a->stretches + a->asked) {
            place.share = midge_share_of(x, MIDGE_FAST, c);
            midge_fast_some(a, c, &walk, x->to - x->from, &place);
        } else {
            midge_fast_some(a, c, &walk, x->to - x->from, NULL);
        }
        midge_keep(s, a, x, MIDGE_FAST, c, walk.reached.forecast);
    }
}

/* The lead of an end: 0 is now. */
MIDGE_KERNEL int32_t midge_end(int32_t place) { return place > 0 ? midge_anchors[MIDGE_FIRST_DIRECT + place - 1] : 0; }

/* ends: of lines, from the last sample to the forecast of each anchor. */
MIDGE_PART void midge_direct_ends(const MIDGE_LEARNER *s, const struct midge_ahead *a, int32_t c, float *ends) {
    float features[MIDGE_DIRECT_FEATURES];
    midge_direct_features(s, 0, c, features);
    ends[0] = a->view.last[c];
    for (int32_t place = 0; place < MIDGE_DIRECT_ANCHORS; place++) {
        const float step = midge_own_step(&s->direct[place][0][c], features, MIDGE_DIRECT_FEATURES);
        ends[1 + place] = midge_held(a, c, a->view.last[c] + step);
    }
}

/* The season unit of a channel. */
struct midge_season_walk {
    float coefficients[MIDGE_SEASON_FEATURES], features[MIDGE_SEASON_LAGS], seasonal[MIDGE_SEASONAL];
    struct midge_reached reached;
};

MIDGE_KERNEL float midge_season_sum(const struct midge_season_walk *walk) {
    const float *const coefficients = walk->coefficients, *const seasonal = coefficients + 1 + MIDGE_SEASON_LAGS;
    const float near = midge_add_own(coefficients[0], coefficients + 1, walk->features, MIDGE_SEASON_LAGS);
    return walk->reached.value + midge_add_own(near, seasonal, walk->seasonal, MIDGE_SEASONAL);
}

/* again: what comes next of the last season. */
MIDGE_KERNEL void midge_season_on(struct midge_season_walk *walk, float again, struct midge_reached reached) {
    walk->reached = reached;
    midge_push(walk->seasonal, MIDGE_SEASONAL, again);
    midge_push(walk->features, MIDGE_SEASON_LAGS, reached.feature);
}

/* Some leads, as long as none is far: how many. What each makes takes the place of what it saw, since it comes a season
   later. */
MIDGE_KERNEL int32_t midge_season_near(const struct midge_ahead *a, int32_t c, struct midge_season_walk *walk,
                                       float *again, const struct midge_place *place) {
    MIDGE_UNROLLED
    for (int32_t k = 0; k < MIDGE_AT_ONCE; k++) {
        const float sum = midge_season_sum(walk);
        if (midge_is_far(a, c, sum)) {
            return k;
        }
        midge_season_on(walk, again[k], midge_reached_alike(sum));
        again[k] = sum;
        midge_mix(place, k, sum);
    }
    return MIDGE_AT_ONCE;
}

/* Leads of a stretch within a season. */
MIDGE_KERNEL void midge_season_some(const struct midge_ahead *a, int32_t c, struct midge_season_walk *walk,
                                    int32_t leads, float *again, struct midge_place *place) {
    while (leads > 0) {
        for (; leads >= MIDGE_AT_ONCE; leads -= MIDGE_AT_ONCE, again += MIDGE_AT_ONCE) {
            const int32_t done = midge_season_near(a, c, walk, again, place);
            if (MIDGE_UNLIKELY(done < MIDGE_AT_ONCE)) {
                midge_go_on(place, done);
                again += done;
                leads -= done;
                break;
            }
            midge_go_on(place, MIDGE_AT_ONCE);
        }
        if (leads > 0) {
            midge_season_on(walk, *again, midge_reach(a, c, midge_season_sum(walk)));
            *again++ = walk->reached.feature;
            midge_mix(place, 0, walk->reached.forecast);
            midge_go_on(place, 1);
            leads--;
        }
    }
}

/* The last season from sample `behind` on. */
MIDGE_KERNEL void midge_season_again(const MIDGE_LEARNER *s, int32_t c, int32_t behind, int32_t leads, float *again) {
    const float offset = s->offset[c], inverse = midge_inverse(s->scale[c]);
    int32_t row = s->counters[MIDGE_POSITION] - behind;
    row = row < 0 ? row + MIDGE_RING : row;
    for (int32_t some; leads > 0; leads -= some, row = 0) {
        some = midge_min(leads, MIDGE_RING - row);
        MIDGE_BY_FOUR
        for (int32_t k = 0; k < some; k++) {
            *again++ = midge_within((s->ring[row + k][c] - offset) * inverse, MIDGE_LARGEST_FEATURE);
        }
    }
}

/* Of one channel, and with it the direct unit, whose lines have these ends. */
MIDGE_PART void midge_season_ahead(const MIDGE_LEARNER *s, const struct midge_ahead *a, int32_t c, const float *ends) {
    const int32_t behind = s->counters[MIDGE_PERIOD] - 2;
    struct midge_straight before = midge_straight_of((const float(*)[MIDGE_CHANNELS])a->shares[0], c);
    struct midge_place place = midge_first_place(a, c);
    struct midge_ends from = {0.0f, 0.0f};
    struct midge_season_walk walk;
    float again[MIDGE_HORIZON];
    walk.reached = midge_reached_alike(a->view.last[c]);
    midge_column(walk.coefficients, s->season[0], MIDGE_SEASON_FEATURES, c);
    midge_column(walk.features, a->view.lags, MIDGE_SEASON_LAGS, c);
    for (int32_t k = 0; k < MIDGE_SEASONAL; k++) {
        walk.seasonal[k] = midge_past_feature(s, behind + k, c);
    }
    midge_season_again(s, c, behind, midge_min(behind, a->stretches[a->count - 1].to), again);
    int32_t at = 0, end = 1;
    for (const struct midge_stretch *x = a->stretches; x < a->stretches + a->count; x++) {
        const int is_mixed = x < a->stretches + a->asked;
        struct midge_straight after = before, gain = {0.0f, 0.0f, 0.0f};
        if (is_mixed) {
            after = midge_straight_of((const float(*)[MIDGE_CHANNELS])x->after, c);
            gain = midge_less(after, before);
            place.share = midge_season_share(before, gain, x->from > 0);
        }
        for (int32_t lead = x->from, leads; lead < x->to; lead += leads) {
            leads = midge_min(x->to - lead, behind - at);
            midge_season_some(a, c, &walk, leads, again + at, is_mixed ? &place : NULL);
            at = at + leads == behind ? 0 : at + leads;
        }
        end += end < MIDGE_DIRECT_ANCHORS && x->from >= midge_end(end);
        const float direct = ends[end - 1] + (ends[end] - ends[end - 1]) * midge_direct_parts[x->to - 1];
        const struct midge_ends to = {x->from < midge_anchors[MIDGE_ANCHORS - 1] ? walk.reached.forecast : from.path, direct};
        if (is_mixed) {
            if (x->from > 0) {
                midge_curve(x->after, c, before, gain, from, to, a->view.last[c]);
            } else {
                a->mixed[0][c] += before.direct * direct;
                x->after[MIDGE_START][c] = before.last * a->view.last[c];
                x->after[MIDGE_GROWS][c] = x->after[MIDGE_BENDS][c] = -0.0f; /* adds to nothing, zeros with it */
            }
        }
        before = after;
        midge_keep(s, a, x, MIDGE_SEASON, c, walk.reached.forecast);
        midge_keep(s, a, x, MIDGE_DIRECT, c, direct);
        from = to;
    }
}
