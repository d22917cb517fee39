/* Forecasts of every unit: one unit after the other goes through the leads. What it tells is mixed where that is asked
   for and kept where it is due, so that no more of a unit is remembered than it needs to go on. */
#include "learner_regimes.h"

/* Leads behind `from` up to `to`, on the way to an anchor or behind the last one. slot: where in `waiting` the forecast
   of lead `to` is kept; -1 where none is due. */
struct midge_stretch {
    int16_t anchor, from, to, slot;
};

/* count, stretches: how far units go.
   waiting: where forecasts are kept; NULL where none are.
   asked: in how many stretches forecasts are mixed, into `mixed`, in units of the channel: in the first one, or in all.
   view: the last samples. low, high: between what forecasts stay.
   shares: of units at each anchor, as far as asked for. */
struct midge_ahead {
    int32_t count, asked;
    struct midge_stretch stretches[MIDGE_ANCHORS + 1];
    float (*mixed)[MIDGE_CHANNELS];
    float (*waiting)[MIDGE_PERSISTENCE][MIDGE_CHANNELS];
    struct midge_view view;
    float low[MIDGE_CHANNELS], high[MIDGE_CHANNELS];
    float shares[MIDGE_ANCHORS][MIDGE_UNITS][MIDGE_CHANNELS];
};

/* Where in `waiting` this tick's forecast of an anchor is kept, whose places begin at `first`; -1 where none is due. */
MIDGE_KERNEL int32_t midge_slot(const MIDGE_LEARNER *s, int32_t anchor, int32_t first) {
    const int32_t number = s->counters[MIDGE_TICKS] / midge_strides[anchor];
    const int is_due = number * midge_strides[anchor] == s->counters[MIDGE_TICKS];
    return is_due ? first + number % midge_pending[anchor] : -1;
}

/* Plan stretches up to the furthest forecast that is kept at this tick, or to the horizon's end. */
MIDGE_KERNEL void midge_plan(const MIDGE_LEARNER *s, struct midge_ahead *a, int to_the_end) {
    int32_t first = 0, from = 0;
    a->count = 0;
    for (int32_t anchor = 0; anchor < MIDGE_ANCHORS; first += midge_pending[anchor], anchor++) {
        const int32_t slot = midge_slot(s, anchor, first), to = midge_anchors[anchor];
        const struct midge_stretch x = {(int16_t)anchor, (int16_t)from, (int16_t)to, (int16_t)slot};
        a->stretches[anchor] = x;
        a->count = to_the_end || slot >= 0 ? anchor + 1 : a->count;
        from = to;
    }
    if (to_the_end && from < MIDGE_HORIZON) {
        const struct midge_stretch x = {MIDGE_ANCHORS - 1, (int16_t)from, MIDGE_HORIZON, -1};
        a->stretches[a->count++] = x;
    }
}

/* A unit's share on a stretch: at the anchor before, and what it gains on the way. */
struct midge_share {
    float start, gain;
};

MIDGE_KERNEL struct midge_share midge_share_of(const struct midge_ahead *a, const struct midge_stretch *x,
                                               int32_t unit, int32_t c) {
    const float start = a->shares[midge_max(x->anchor - 1, 0)][unit][c];
    const struct midge_share share = {start, a->shares[x->anchor][unit][c] - start};
    return share;
}

MIDGE_KERNEL float midge_held(const struct midge_ahead *a, int32_t c, float value) {
    value = MIDGE_UNLIKELY(value < a->low[c]) ? a->low[c] : value;
    return MIDGE_UNLIKELY(value > a->high[c]) ? a->high[c] : value;
}

/* Add a unit's value to the forecast of a lead; units come in their order. */
MIDGE_KERNEL void midge_mix(const struct midge_ahead *a, int32_t unit, int32_t c, int32_t lead,
                            struct midge_share share, float value) {
    float *const mixed = &a->mixed[lead - 1][c];
    const float term = (share.start + midge_parts[lead - 1] * share.gain) * value;
    *mixed = unit == 0 ? term : *mixed + term;
}

/* Keep a unit's value at the end of a stretch, if it is due. */
MIDGE_KERNEL void midge_keep(const MIDGE_LEARNER *s, const struct midge_ahead *a, const struct midge_stretch *x,
                             int32_t unit, int32_t c, float value) {
    if (a->waiting && x->slot >= 0) {
        a->waiting[x->slot][unit][c] = midge_in_user_units(s, c, value);
    }
}

/* A unit that is iterated goes on by a step from what it has reached; returns the value as it sees it. */
MIDGE_KERNEL float midge_reach(float *reached, float step) {
    const float value = *reached + step;
    *reached = value;
    if (MIDGE_UNLIKELY(midge_is_beyond(value, MIDGE_LARGEST_FEATURE))) {
        *reached = midge_within(value, MIDGE_LARGEST_VALUE);
        return midge_signed_as(MIDGE_LARGEST_FEATURE, value);
    }
    return value;
}

/* The joint unit, and a regime. `rows` holds the last features twice, one behind the other, so that those from `newest`
   on stand in a row, the newest first. */
struct midge_joint_walk {
    int32_t newest;
    float rows[2 * MIDGE_JOINT_LAGS * MIDGE_CHANNELS], reached[MIDGE_CHANNELS];
};

MIDGE_KERNEL void midge_joint_next(struct midge_joint_walk *walk, const float (*coefficients)[MIDGE_CHANNELS]) {
    float step[MIDGE_CHANNELS];
    midge_joint_step(coefficients, walk->rows + walk->newest * MIDGE_CHANNELS, step);
    walk->newest = (walk->newest == 0 ? MIDGE_JOINT_LAGS : walk->newest) - 1;
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const float feature = midge_reach(&walk->reached[c], step[c]);
        walk->rows[walk->newest * MIDGE_CHANNELS + c] = feature;
        walk->rows[(walk->newest + MIDGE_JOINT_LAGS) * MIDGE_CHANNELS + c] = feature;
    }
}

MIDGE_PART void midge_joint_ahead(const MIDGE_LEARNER *s, const struct midge_ahead *a, int32_t unit,
                                  const float (*coefficients)[MIDGE_CHANNELS]) {
    struct midge_joint_walk walk;
    walk.newest = 0;
    MIDGE_COPY(walk.rows, a->view.lags, sizeof walk.rows / 2u);
    MIDGE_COPY(walk.rows + MIDGE_JOINT_LAGS * MIDGE_CHANNELS, a->view.lags, sizeof walk.rows / 2u);
    MIDGE_COPY(walk.reached, a->view.last, sizeof walk.reached);
    for (const struct midge_stretch *x = a->stretches; x < a->stretches + a->count; x++) {
        for (int32_t lead = x->from + 1; lead <= x->to; lead++) {
            midge_joint_next(&walk, coefficients);
            for (int32_t c = 0; c < MIDGE_CHANNELS && x < a->stretches + a->asked; c++) {
                midge_mix(a, unit, c, lead, midge_share_of(a, x, unit, c), midge_held(a, c, walk.reached[c]));
            }
        }
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            midge_keep(s, a, x, unit, c, midge_held(a, c, walk.reached[c]));
        }
    }
}

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

/* The fast unit of a channel. */
struct midge_fast_walk {
    float coefficients[MIDGE_FAST_FEATURES], features[MIDGE_FAST_LAGS], reached;
};

MIDGE_KERNEL float midge_fast_next(struct midge_fast_walk *walk) {
    const float *const coefficients = walk->coefficients;
    const float step = midge_add_own(coefficients[0], coefficients + 1, walk->features, MIDGE_FAST_LAGS);
    midge_push(walk->features, MIDGE_FAST_LAGS, midge_reach(&walk->reached, step));
    return walk->reached;
}

MIDGE_PART void midge_fast_ahead(const MIDGE_LEARNER *s, const struct midge_ahead *a, int32_t c) {
    struct midge_fast_walk walk;
    walk.reached = a->view.last[c];
    midge_column(walk.coefficients, s->fast[0], MIDGE_FAST_FEATURES, c);
    midge_column(walk.features, a->view.lags, MIDGE_FAST_LAGS, c);
    for (const struct midge_stretch *x = a->stretches; x < a->stretches + a->count; x++) {
        int32_t lead = x->from + 1;
        if (x < a->stretches + a->asked) {
            const struct midge_share share = midge_share_of(a, x, MIDGE_FAST, c);
            for (; lead <= x->to; lead++) {
                midge_mix(a, MIDGE_FAST, c, lead, share, midge_held(a, c, midge_fast_next(&walk)));
            }
        }
        for (; lead <= x->to; lead++) {
            midge_fast_next(&walk);
        }
        midge_keep(s, a, x, MIDGE_FAST, c, midge_held(a, c, walk.reached));
    }
}

/* The season unit of a channel. */
struct midge_season_walk {
    float coefficients[MIDGE_SEASON_FEATURES], features[MIDGE_SEASON_LAGS], seasonal[MIDGE_SEASONAL], reached;
};

/* again: what comes next of the last season; what this lead makes takes its place, since it comes a season later. */
MIDGE_KERNEL float midge_season_next(struct midge_season_walk *walk, float *again) {
    const float *const coefficients = walk->coefficients, *const seasonal = coefficients + 1 + MIDGE_SEASON_LAGS;
    const float near = midge_add_own(coefficients[0], coefficients + 1, walk->features, MIDGE_SEASON_LAGS);
    const float step = midge_add_own(near, seasonal, walk->seasonal, MIDGE_SEASONAL);
    midge_push(walk->seasonal, MIDGE_SEASONAL, *again);
    *again = midge_reach(&walk->reached, step);
    midge_push(walk->features, MIDGE_SEASON_LAGS, *again);
    return walk->reached;
}

MIDGE_PART void midge_season_ahead(const MIDGE_LEARNER *s, const struct midge_ahead *a, int32_t c) {
    const int32_t behind = s->counters[MIDGE_PERIOD] - 2;
    struct midge_season_walk walk;
    float again[MIDGE_HORIZON];
    walk.reached = a->view.last[c];
    midge_column(walk.coefficients, s->season[0], MIDGE_SEASON_FEATURES, c);
    midge_column(walk.features, a->view.lags, MIDGE_SEASON_LAGS, c);
    for (int32_t k = 0; k < MIDGE_SEASONAL; k++) {
        walk.seasonal[k] = midge_past_feature(s, behind + k, c);
    }
    for (int32_t k = 0; k < midge_min(behind, a->stretches[a->count - 1].to); k++) {
        again[k] = midge_past_feature(s, behind - 1 - k, c);
    }
    int32_t at = 0;
    for (const struct midge_stretch *x = a->stretches; x < a->stretches + a->count; x++) {
        int32_t lead = x->from + 1;
        if (x < a->stretches + a->asked) {
            const struct midge_share share = midge_share_of(a, x, MIDGE_SEASON, c);
            for (; lead <= x->to; lead++, at = at + 1 == behind ? 0 : at + 1) {
                midge_mix(a, MIDGE_SEASON, c, lead, share, midge_held(a, c, midge_season_next(&walk, &again[at])));
            }
        }
        for (; lead <= x->to; lead++, at = at + 1 == behind ? 0 : at + 1) {
            midge_season_next(&walk, &again[at]);
        }
        midge_keep(s, a, x, MIDGE_SEASON, c, midge_held(a, c, walk.reached));
    }
}

/* The lead of an end: 0 is now. */
MIDGE_KERNEL int32_t midge_end(int32_t place) { return place > 0 ? midge_anchors[MIDGE_FIRST_DIRECT + place - 1] : 0; }

/* Straight lines from the last sample to the forecast of each anchor, level behind the last. */
MIDGE_PART void midge_direct_ahead(const MIDGE_LEARNER *s, const struct midge_ahead *a, int32_t c) {
    float features[MIDGE_DIRECT_FEATURES], ends[1 + MIDGE_DIRECT_ANCHORS];
    midge_direct_features(s, 0, c, features);
    ends[0] = a->view.last[c];
    for (int32_t place = 0; place < MIDGE_DIRECT_ANCHORS; place++) {
        const float step = midge_own_step(&s->direct[place][0][c], features, MIDGE_DIRECT_FEATURES);
        ends[1 + place] = midge_held(a, c, a->view.last[c] + step);
    }
    int32_t place = 1;
    for (const struct midge_stretch *x = a->stretches; x < a->stretches + a->count; x++) {
        place += place < MIDGE_DIRECT_ANCHORS && x->from >= midge_end(place);
        const float start = ends[place - 1], gain = ends[place] - start;
        if (x < a->stretches + a->asked) {
            const struct midge_share share = midge_share_of(a, x, MIDGE_DIRECT, c);
            for (int32_t lead = x->from + 1; lead <= x->to; lead++) {
                midge_mix(a, MIDGE_DIRECT, c, lead, share, start + gain * midge_direct_parts[lead - 1]);
            }
        }
        midge_keep(s, a, x, MIDGE_DIRECT, c, start + gain * midge_direct_parts[x->to - 1]);
    }
}

MIDGE_KERNEL void midge_persistence_ahead(const struct midge_ahead *a, int32_t c) {
    for (const struct midge_stretch *x = a->stretches; x < a->stretches + a->asked; x++) {
        const struct midge_share share = midge_share_of(a, x, MIDGE_PERSISTENCE, c);
        for (int32_t lead = x->from + 1; lead <= x->to; lead++) {
            midge_mix(a, MIDGE_PERSISTENCE, c, lead, share, a->view.last[c]);
        }
    }
}

/* Between what a channel's forecasts stay. */
MIDGE_KERNEL void midge_limit(const MIDGE_LEARNER *s, struct midge_ahead *a, int32_t c) {
    const float inverse = midge_inverse(s->scale[c]);
    const float middle = (s->mean[c] - s->offset[c]) * inverse;
    const float spread = midge_sqrt_f32(s->variance[c]) * inverse;
    a->low[c] = midge_least(middle - MIDGE_RANGE * spread, a->view.last[c] - MIDGE_REACH * spread);
    a->high[c] = midge_most(middle + MIDGE_RANGE * spread, a->view.last[c] + MIDGE_REACH * spread);
}

/* All units, by what is planned. */
MIDGE_PART void midge_go_ahead(const MIDGE_LEARNER *s, struct midge_ahead *a) {
    const int32_t best = midge_best_regime(s);
    midge_look_back(s, &a->view);
    for (const struct midge_stretch *x = a->stretches; x < a->stretches + a->asked; x++) {
        midge_shares(s, x->anchor, a->shares[x->anchor]);
    }
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        midge_limit(s, a, c);
    }
    midge_joint_ahead(s, a, MIDGE_JOINT, (const float(*)[MIDGE_CHANNELS])s->joint);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        midge_fast_ahead(s, a, c);
        midge_season_ahead(s, a, c);
        midge_direct_ahead(s, a, c);
    }
    midge_joint_ahead(s, a, MIDGE_REGIME,
                      (const float(*)[MIDGE_CHANNELS])(best >= 0 ? s->pool[best] : s->joint));
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        midge_persistence_ahead(a, c);
    }
}
