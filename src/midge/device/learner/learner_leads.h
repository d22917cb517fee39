/* What units that go through the leads have in common: how far they go, where what they tell is mixed and kept, and how
   far a forecast may go. */
#include "learner_regimes.h"

/* Leads behind `from` up to `to`, on the way to an anchor or behind the last one.
   before, after: shares of units, [units][channels], at the anchors around them; the last is on both sides of what lies
   behind it.
   slot: where in `waiting` the forecast of lead `to` is kept; -1 where none is due. */
struct midge_stretch {
    float (*before)[MIDGE_CHANNELS], (*after)[MIDGE_CHANNELS];
    int16_t from, to, slot;
};

/* count, stretches: how far units go.
   waiting: where forecasts are kept.
   asked: in how many stretches forecasts are mixed, into `mixed`: in the first one, or in all.
   expected: what is mixed for lead 1, in units of the channels; in those units everything else is added up.
   view: the last samples. low, high: between what forecasts stay. near: a number whose bits, without its sign and
   shifted left, are less than that is a forecast as it is, and a feature as it is.
   shares: of units at the end of each stretch, as far as asked for; those of the season's and the direct unit and of
   persistence give place to curves. */
struct midge_ahead {
    int32_t count, asked;
    struct midge_stretch stretches[MIDGE_STRETCHES];
    float (*mixed)[MIDGE_CHANNELS];
    float (*waiting)[MIDGE_PERSISTENCE][MIDGE_CHANNELS];
    struct midge_view view;
    float low[MIDGE_CHANNELS], high[MIDGE_CHANNELS];
    uint32_t near[MIDGE_CHANNELS];
    float expected[MIDGE_CHANNELS];
    float shares[MIDGE_STRETCHES][MIDGE_UNITS][MIDGE_CHANNELS];
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
        x->before = a->shares[midge_max(anchor - 1, 0)];
        x->after = a->shares[anchor];
        x->from = (int16_t)from;
        x->to = (int16_t)midge_anchors[anchor];
        x->slot = (int16_t)slot;
        a->count = to_the_end || slot >= 0 ? anchor + 1 : a->count;
        from = midge_anchors[anchor];
    }
    if (to_the_end && MIDGE_STRETCHES > MIDGE_ANCHORS) {
        struct midge_stretch *const x = &a->stretches[MIDGE_STRETCHES - 1];
        x->before = x->after = a->shares[MIDGE_STRETCHES - 1];
        x->from = (int16_t)from;
        x->to = MIDGE_HORIZON;
        x->slot = -1;
        a->count = MIDGE_STRETCHES;
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
    return MIDGE_UNLIKELY(midge_bits_f32(sum) << 1 >= a->near[c]) != 0;
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
