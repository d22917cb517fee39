/* Forecasts of every unit: one unit after the other goes through the leads. What it tells is mixed where that is asked
   for and kept where it is due, so that no more of a unit is remembered than it needs to go on. */
#include "learner_regimes.h"

/* So many leads of a unit of one channel in one round. */
#ifdef MIDGE_HAS_FPU
#define MIDGE_AT_ONCE 3
#else
#define MIDGE_AT_ONCE 1
#endif

/* Leads behind `from` up to `to`, on the way to an anchor or behind the last one.
   before, after: shares of units, [units][channels], at the anchors around them.
   slot: where in `waiting` the forecast of lead `to` is kept; -1 where none is due. */
struct midge_stretch {
    const float (*before)[MIDGE_CHANNELS], (*after)[MIDGE_CHANNELS];
    int16_t from, to, slot;
};

/* count, stretches: how far units go.
   waiting: where forecasts are kept.
   asked: in how many stretches forecasts are mixed, into `mixed`: in the first one, or in all.
   expected: what is mixed for lead 1, in units of the channels; in those units everything else is added up.
   view: the last samples. low, high: between what forecasts stay. near: a number whose bits, without its sign and
   shifted left, are less than that is a forecast as it is, and a feature as it is.
   shares: of units at each anchor, as far as asked for. */
struct midge_ahead {
    int32_t count, asked;
    struct midge_stretch stretches[MIDGE_ANCHORS + 1];
    float (*mixed)[MIDGE_CHANNELS];
    float (*waiting)[MIDGE_PERSISTENCE][MIDGE_CHANNELS];
    struct midge_view view;
    float low[MIDGE_CHANNELS], high[MIDGE_CHANNELS];
    uint32_t near[MIDGE_CHANNELS];
    float expected[MIDGE_CHANNELS];
    float shares[MIDGE_ANCHORS][MIDGE_UNITS][MIDGE_CHANNELS];
};

/* Where in `waiting` this tick's forecast of an anchor is kept, whose places begin at `first`; -1 where none is due. */
MIDGE_KERNEL int32_t midge_slot(const MIDGE_LEARNER *s, int32_t anchor, int32_t first) {
    const int32_t number = s->counters[MIDGE_TICKS] / midge_strides[anchor];
    const int is_due = number * midge_strides[anchor] == s->counters[MIDGE_TICKS];
    return is_due ? first + number % midge_pending[anchor] : -1;
}

/* Plan stretches up to the furthest forecast that is kept at this tick, or to the horizon's end. */
MIDGE_KERNEL void midge_plan(const MIDGE_LEARNER *s, struct midge_ahead *a, int to_the_end, int is_kept) {
    int32_t first = 0, from = 0;
    a->count = 0;
    for (int32_t anchor = 0; anchor < MIDGE_ANCHORS; first += midge_pending[anchor], anchor++) {
        const int32_t slot = is_kept ? midge_slot(s, anchor, first) : -1;
        struct midge_stretch *const x = &a->stretches[anchor];
        x->before = (const float(*)[MIDGE_CHANNELS])a->shares[midge_max(anchor - 1, 0)];
        x->after = (const float(*)[MIDGE_CHANNELS])a->shares[anchor];
        x->from = (int16_t)from;
        x->to = (int16_t)midge_anchors[anchor];
        x->slot = (int16_t)slot;
        a->count = to_the_end || slot >= 0 ? anchor + 1 : a->count;
        from = midge_anchors[anchor];
    }
    if (to_the_end && from < MIDGE_HORIZON) {
        struct midge_stretch *const x = &a->stretches[a->count++];
        *x = a->stretches[MIDGE_ANCHORS - 1];
        x->from = x->to;
        x->to = MIDGE_HORIZON;
        x->slot = -1;
    }
}

/* A unit's share on a stretch: at the anchor before, and what it gains on the way. */
struct midge_share {
    float start, gain;
};

MIDGE_KERNEL struct midge_share midge_share_of(const struct midge_stretch *x, int32_t unit, int32_t c) {
    const struct midge_share share = {x->before[unit][c], x->after[unit][c] - x->before[unit][c]};
    return share;
}

/* What a unit adds to the forecast of a lead, `part` of the way along a stretch. */
MIDGE_KERNEL float midge_term(struct midge_share share, float part, float value) {
    return (share.start + part * share.gain) * value;
}

MIDGE_KERNEL float midge_held(const struct midge_ahead *a, int32_t c, float value) {
    value = value < a->low[c] ? a->low[c] : value;
    return value > a->high[c] ? a->high[c] : value;
}

/* Keep a unit's value at the end of a stretch, if it is due. */
MIDGE_KERNEL void midge_keep(const MIDGE_LEARNER *s, const struct midge_ahead *a, const struct midge_stretch *x,
                             int32_t unit, int32_t c, float value) {
    if (x->slot >= 0) {
        a->waiting[x->slot][unit][c] = midge_in_user_units(s, c, value);
    }
}

/* What a unit that is iterated reaches: where it goes on from, what it sees of that, and what it forecasts. */
struct midge_reached {
    float value, feature, forecast;
};

MIDGE_KERNEL struct midge_reached midge_reached_alike(float value) {
    const struct midge_reached reached = {value, value, value};
    return reached;
}

/* Whether these may be three numbers. */
MIDGE_KERNEL int midge_is_far(const struct midge_ahead *a, int32_t c, float sum) {
    return MIDGE_UNLIKELY(midge_bits_f32(sum) << 1 >= a->near[c]);
}

MIDGE_KERNEL struct midge_reached midge_reach(const struct midge_ahead *a, int32_t c, float sum) {
    struct midge_reached reached = midge_reached_alike(sum);
    if (midge_is_far(a, c, sum)) {
        reached.value = midge_within(sum, MIDGE_LARGEST_VALUE);
        reached.feature = midge_within(sum, MIDGE_LARGEST_FEATURE);
        reached.forecast = midge_held(a, c, reached.value);
    }
    return reached;
}

MIDGE_KERNEL int midge_is_any_far(const struct midge_ahead *a, const float *sums) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        if (midge_is_far(a, c, sums[c])) {
            return 1;
        }
    }
    return 0;
}

/* Shares of a unit on a stretch, [channels]. */
struct midge_row_shares {
    float start[MIDGE_CHANNELS], gain[MIDGE_CHANNELS];
};

#if MIDGE_BLOCK == 4
/* Loads come first and together, as in `midge_add_block`. */
MIDGE_KERNEL void midge_load_block(float *values, const float *from) {
    const float v0 = from[0], v1 = from[1], v2 = from[2], v3 = from[3];
    __asm__ volatile("" ::"t"(v0), "t"(v1), "t"(v2), "t"(v3));
    values[0] = v0;
    values[1] = v1;
    values[2] = v2;
    values[3] = v3;
}

/* Add [4] values to forecasts. */
MIDGE_KERNEL void midge_mix_block(float *mixed, const float *start, const float *gain, float part, const float *v) {
    const float s0 = start[0], s1 = start[1], s2 = start[2], s3 = start[3];
    const float g0 = gain[0], g1 = gain[1], g2 = gain[2], g3 = gain[3];
    const float m0 = mixed[0], m1 = mixed[1], m2 = mixed[2], m3 = mixed[3];
    __asm__ volatile("" ::"t"(part), "t"(s0), "t"(s1), "t"(s2), "t"(s3), "t"(g0), "t"(g1), "t"(g2), "t"(g3), "t"(m0),
                     "t"(m1), "t"(m2), "t"(m3));
    mixed[0] = m0 + (s0 + part * g0) * v[0];
    mixed[1] = m1 + (s1 + part * g1) * v[1];
    mixed[2] = m2 + (s2 + part * g2) * v[2];
    mixed[3] = m3 + (s3 + part * g3) * v[3];
}
#else
MIDGE_KERNEL void midge_load_block(float *values, const float *from) { *values = *from; }

MIDGE_KERNEL void midge_mix_block(float *mixed, const float *start, const float *gain, float part, const float *v) {
    *mixed += (*start + part * *gain) * *v;
}
#endif

/* Add a row of values to forecasts. */
MIDGE_KERNEL void midge_mix_row(float *mixed, const struct midge_row_shares *shares, float part, const float *values) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c += MIDGE_BLOCK) {
        midge_mix_block(mixed + c, shares->start + c, shares->gain + c, part, values + c);
    }
}

/* What all channels reach, in place of their sums. */
struct midge_row {
    float sums[MIDGE_CHANNELS], features[MIDGE_CHANNELS], forecasts[MIDGE_CHANNELS];
};

MIDGE_KERNEL void midge_reach_row(const struct midge_ahead *a, struct midge_row *row) {
    MIDGE_SELDOM
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const struct midge_reached reached = midge_reach(a, c, row->sums[c]);
        row->sums[c] = reached.value;
        row->features[c] = reached.feature;
        row->forecasts[c] = reached.forecast;
    }
}

/* The joint unit, and a regime. `rows` holds the last features twice, one behind the other, so that those from
   `newest` on stand in a row, the newest first. */
MIDGE_PART void midge_joint_ahead(const MIDGE_LEARNER *s, const struct midge_ahead *a, int32_t unit,
                                  const float (*coefficients)[MIDGE_CHANNELS]) {
    float rows[2 * MIDGE_JOINT_LAGS * MIDGE_CHANNELS], reached[MIDGE_CHANNELS];
    const float *part = midge_parts;
    float *mixed = a->mixed[0];
    struct midge_row_shares shares;
    struct midge_row far;
    int32_t newest = 0;
    MIDGE_COPY(rows, a->view.lags, sizeof rows / 2u);
    MIDGE_COPY(rows + MIDGE_JOINT_LAGS * MIDGE_CHANNELS, a->view.lags, sizeof rows / 2u);
    MIDGE_COPY(reached, a->view.last, sizeof reached);
    MIDGE_FILL(&shares, 0, sizeof shares);
    for (const struct midge_stretch *x = a->stretches; x < a->stretches + a->count; x++) {
        const int is_mixed = x < a->stretches + a->asked;
        for (int32_t c = 0; c < MIDGE_CHANNELS && is_mixed; c++) {
            const struct midge_share share = midge_share_of(x, unit, c);
            shares.start[c] = share.start;
            shares.gain[c] = share.gain;
        }
        for (int32_t leads = x->to - x->from; leads > 0; leads--) {
            float sums[MIDGE_CHANNELS];
            midge_joint_step(coefficients, rows + newest, sums);
            newest = (newest == 0 ? MIDGE_JOINT_LAGS * MIDGE_CHANNELS : newest) - MIDGE_CHANNELS;
            float *const row = rows + newest;
            for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
                sums[c] = reached[c] + sums[c];
            }
            if (midge_is_any_far(a, sums)) {
                MIDGE_COPY(far.sums, sums, sizeof sums);
                midge_reach_row(a, &far);
                MIDGE_COPY(reached, far.sums, sizeof reached);
                MIDGE_COPY(row, far.features, sizeof sums);
                MIDGE_COPY(row + MIDGE_JOINT_LAGS * MIDGE_CHANNELS, far.features, sizeof sums);
                if (is_mixed) {
                    midge_mix_row(mixed, &shares, *part, far.forecasts);
                }
            } else {
                MIDGE_COPY(reached, sums, sizeof reached);
                MIDGE_COPY(row, sums, sizeof sums);
                MIDGE_COPY(row + MIDGE_JOINT_LAGS * MIDGE_CHANNELS, sums, sizeof sums);
                if (is_mixed) {
                    midge_mix_row(mixed, &shares, *part, sums);
                }
            }
            if (is_mixed) {
                mixed += MIDGE_CHANNELS;
                part++;
            }
        }
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            midge_keep(s, a, x, unit, c, midge_held(a, c, reached[c]));
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
        if (leads > 0) {
            midge_fast_on(walk, midge_reach(a, c, midge_fast_sum(walk)));
            midge_mix(place, 0, walk->reached.forecast);
            midge_go_on(place, 1);
            leads--;
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

/* The direct unit of a channel on a stretch: a straight line. */
struct midge_line {
    const float *parts;
    float start, gain;
    struct midge_share share;
};

MIDGE_KERNEL float midge_line_at(const struct midge_line *line, int32_t k) {
    return line->start + line->gain * line->parts[k];
}

/* What another unit makes of the lead that is `k` further comes before the line's. */
MIDGE_KERNEL void midge_mix_with_line(const struct midge_place *place, const struct midge_line *line, int32_t k,
                                      float value) {
    if (place) {
        float *const mixed = &place->mixed[k * MIDGE_CHANNELS];
        const float part = place->parts[k], direct = midge_line_at(line, k);
        *mixed = *mixed + midge_term(place->share, part, value) + midge_term(line->share, part, direct);
    }
}

MIDGE_KERNEL void midge_line_on(struct midge_line *line, int32_t leads) { line->parts += leads; }

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
                                       float *again, const struct midge_place *place, const struct midge_line *line) {
    MIDGE_UNROLLED
    for (int32_t k = 0; k < MIDGE_AT_ONCE; k++) {
        const float sum = midge_season_sum(walk);
        if (midge_is_far(a, c, sum)) {
            return k;
        }
        midge_season_on(walk, again[k], midge_reached_alike(sum));
        again[k] = sum;
        midge_mix_with_line(place, line, k, sum);
    }
    return MIDGE_AT_ONCE;
}

/* Leads of a stretch within a season. */
MIDGE_KERNEL void midge_season_some(const struct midge_ahead *a, int32_t c, struct midge_season_walk *walk,
                                    int32_t leads, float *again, struct midge_place *place, struct midge_line *line) {
    while (leads > 0) {
        for (; leads >= MIDGE_AT_ONCE; leads -= MIDGE_AT_ONCE, again += MIDGE_AT_ONCE) {
            const int32_t done = midge_season_near(a, c, walk, again, place, line);
            if (MIDGE_UNLIKELY(done < MIDGE_AT_ONCE)) {
                midge_go_on(place, done);
                midge_line_on(line, done);
                again += done;
                leads -= done;
                break;
            }
            midge_go_on(place, MIDGE_AT_ONCE);
            midge_line_on(line, MIDGE_AT_ONCE);
        }
        if (leads > 0) {
            midge_season_on(walk, *again, midge_reach(a, c, midge_season_sum(walk)));
            *again++ = walk->reached.feature;
            midge_mix_with_line(place, line, 0, walk->reached.forecast);
            midge_go_on(place, 1);
            midge_line_on(line, 1);
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
    struct midge_place place = midge_first_place(a, c);
    struct midge_line line = {midge_direct_parts, 0.0f, 0.0f, {0.0f, 0.0f}};
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
        end += end < MIDGE_DIRECT_ANCHORS && x->from >= midge_end(end);
        line.start = ends[end - 1];
        line.gain = ends[end] - ends[end - 1];
        if (is_mixed) {
            place.share = midge_share_of(x, MIDGE_SEASON, c);
            line.share = midge_share_of(x, MIDGE_DIRECT, c);
        }
        for (int32_t lead = x->from, leads; lead < x->to; lead += leads) {
            leads = midge_min(x->to - lead, behind - at);
            if (is_mixed) {
                midge_season_some(a, c, &walk, leads, again + at, &place, &line);
            } else {
                midge_season_some(a, c, &walk, leads, again + at, NULL, &line);
            }
            at = at + leads == behind ? 0 : at + leads;
        }
        midge_keep(s, a, x, MIDGE_SEASON, c, walk.reached.forecast);
        midge_keep(s, a, x, MIDGE_DIRECT, c, midge_line_at(&line, -1));
    }
}

/* The last sample goes on, of [block] channels from `c` on. What is mixed then is complete, and is told in the user's
   units; but for what is expected next, which the learner keeps. */
MIDGE_PART void midge_persistence_ahead(const MIDGE_LEARNER *s, struct midge_ahead *a, int32_t c) {
    float last[MIDGE_BLOCK], offset[MIDGE_BLOCK], scale[MIDGE_BLOCK];
    MIDGE_COPY(last, a->view.last + c, sizeof last);
    MIDGE_COPY(offset, s->offset + c, sizeof offset);
    MIDGE_COPY(scale, s->scale + c, sizeof scale);
    const float *part = midge_parts;
    float *mixed = a->mixed[0] + c;
    for (const struct midge_stretch *x = a->stretches; x < a->stretches + a->asked; x++) {
        struct midge_share shares[MIDGE_BLOCK];
        for (int32_t k = 0; k < MIDGE_BLOCK; k++) {
            shares[k] = midge_share_of(x, MIDGE_PERSISTENCE, c + k);
        }
        for (int32_t leads = x->to - x->from; leads > 0; leads--, part++, mixed += MIDGE_CHANNELS) {
            float whole[MIDGE_BLOCK];
            midge_load_block(whole, mixed);
            for (int32_t k = 0; k < MIDGE_BLOCK; k++) {
                whole[k] += midge_term(shares[k], *part, last[k]);
            }
            if (part == midge_parts) {
                MIDGE_COPY(a->expected + c, whole, sizeof whole);
            }
            for (int32_t k = 0; k < MIDGE_BLOCK; k++) {
                mixed[k] = offset[k] + scale[k] * whole[k];
            }
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
    const float near = midge_least(midge_least(a->high[c], -a->low[c]), MIDGE_LARGEST_FEATURE);
    a->near[c] = near > 0.0f ? midge_bits_f32(near) << 1 : 0;
}

/* All units, by what is planned. */
MIDGE_PART void midge_go_ahead(const MIDGE_LEARNER *s, struct midge_ahead *a) {
    const int32_t best = midge_best_regime(s);
    midge_look_back(s, &a->view);
    for (int32_t anchor = 0; anchor < midge_min(a->asked, MIDGE_ANCHORS); anchor++) {
        midge_shares(s, anchor, a->shares[anchor]);
    }
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        midge_limit(s, a, c);
    }
    const int32_t mixed = a->stretches[a->asked - 1].to;
    MIDGE_BY_FOUR
    for (int32_t lead = 0; lead < mixed; lead++) {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            a->mixed[lead][c] = -0.0f; /* what is added to that is as it was, zeros with it */
        }
    }
    midge_joint_ahead(s, a, MIDGE_JOINT, (const float(*)[MIDGE_CHANNELS])s->joint);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        float ends[1 + MIDGE_DIRECT_ANCHORS];
        midge_fast_ahead(s, a, c);
        midge_direct_ends(s, a, c, ends);
        midge_season_ahead(s, a, c, ends);
    }
    midge_joint_ahead(s, a, MIDGE_REGIME,
                      (const float(*)[MIDGE_CHANNELS])(best >= 0 ? s->pool[best] : s->joint));
    for (int32_t c = 0; c < MIDGE_CHANNELS; c += MIDGE_BLOCK) {
        midge_persistence_ahead(s, a, c);
    }
}
