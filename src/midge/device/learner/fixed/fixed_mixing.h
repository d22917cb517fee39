/* Who is believed: each unit by its recent squared error, for every channel and anchor. */
#include "fixed_ahead.h"

MIDGE_KERNEL void midge_judge_one(MIDGE_LEARNER *s, int32_t anchor, int32_t c, int32_t slot, int32_t rate,
                                  int32_t sample) {
    const uint32_t dither = midge_dither(s);
    for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
        const int32_t forecast =
            unit == MIDGE_PERSISTENCE ? midge_past(s, midge_anchors[anchor] - 1, c) : s->waiting[slot][unit][c];
        const int32_t error = midge_within(forecast - sample, MIDGE_LARGEST_JUDGED);
        const int32_t square = (int32_t)(midge_product(error, error) >> 13);
        int32_t *const fitness = &s->fitness[unit][anchor][c];
        *fitness = midge_towards(*fitness, midge_min(square, MIDGE_LIMIT), rate, dither);
    }
}

/* Compare forecasts of this tick with the sample. */
MIDGE_PART void midge_judge(MIDGE_LEARNER *s, const int32_t *sample, const uint8_t *known) {
    int32_t first = 0;
    for (int32_t anchor = 0; anchor < MIDGE_ANCHORS; first += midge_pending[anchor], anchor++) {
        const int32_t made = s->counters[MIDGE_TICKS] + 1 - midge_anchors[anchor];
        if (made < 1 || made % midge_strides[anchor] != 0) {
            continue;
        }
        const int32_t number = made / midge_strides[anchor];
        const int32_t rate = midge_rate(number + 1, MIDGE_FITNESS_RATE);
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            if (known[c]) {
                midge_judge_one(s, anchor, c, first + number % midge_pending[anchor], rate, sample[c]);
            }
        }
    }
}

/* The longest lead that is kept for judgement at this tick; at least 1. */
MIDGE_KERNEL int32_t midge_furthest_due(const MIDGE_LEARNER *s) {
    int32_t furthest = 1;
    for (int32_t anchor = 0; anchor < MIDGE_ANCHORS; anchor++) {
        if (s->counters[MIDGE_TICKS] % midge_strides[anchor] == 0) {
            furthest = midge_anchors[anchor];
        }
    }
    return furthest;
}

/* Where forecasts that wait begin, and which anchor they are of. */
struct midge_due {
    int32_t anchor, first;
};

/* Keep forecasts of this lead where they are due; leads come in order from 1 on. */
MIDGE_KERNEL void midge_keep(MIDGE_LEARNER *s, struct midge_due *due, const struct midge_ahead *a) {
    const int32_t ticks = s->counters[MIDGE_TICKS], anchor = due->anchor;
    if (anchor == MIDGE_ANCHORS || a->lead != midge_anchors[anchor]) {
        return;
    }
    if (ticks % midge_strides[anchor] == 0) {
        const int32_t slot = due->first + ticks / midge_strides[anchor] % midge_pending[anchor];
        MIDGE_COPY(s->waiting[slot], a->values, sizeof s->waiting[slot]);
    }
    due->first += midge_pending[anchor];
    due->anchor++;
}

/* The least error among units. */
MIDGE_KERNEL int32_t midge_best_fitness(const MIDGE_LEARNER *s, int32_t anchor, int32_t c) {
    int32_t best = s->fitness[0][anchor][c];
    for (int32_t unit = 1; unit < MIDGE_UNITS; unit++) {
        best = midge_min(best, s->fitness[unit][anchor][c]);
    }
    return best;
}

/* Shares of units at a lead, and what a lead more adds to them: straight lines to the anchors, [units][channels].
   path, direct: what the season's and the direct unit forecast at the anchor before. */
struct midge_mix {
    int32_t anchor, path[MIDGE_CHANNELS], direct[MIDGE_CHANNELS];
    int32_t share[MIDGE_UNITS][MIDGE_CHANNELS], slope[MIDGE_UNITS][MIDGE_CHANNELS];
};

/* Is a unit no candidate at an anchor? */
MIDGE_KERNEL int32_t midge_is_left_out(const MIDGE_LEARNER *s, int32_t unit, int32_t anchor) {
    return (unit == MIDGE_DIRECT && anchor < MIDGE_FIRST_DIRECT) ||
           (unit == MIDGE_REGIME && s->counters[MIDGE_KNOWN] == 0);
}

/* least / value in fifteen places, from the sixteen first digits of value; 0 < least <= value. */
MIDGE_KERNEL uint32_t midge_short_ratio(int32_t least, int32_t value) {
    const int32_t down = midge_max(midge_digits((uint32_t)value) - 16, 0);
    return ((uint32_t)least >> down << 15) / ((uint32_t)value >> down);
}

/* shares: [units][channels] at an anchor; they sum to 1 over units, to rounding down. */
MIDGE_PART void midge_shares(const MIDGE_LEARNER *s, int32_t anchor, int32_t (*shares)[MIDGE_CHANNELS]) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        int32_t best = MIDGE_LIMIT, total = 0;
        for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
            best = midge_is_left_out(s, unit, anchor) ? best : midge_min(best, s->fitness[unit][anchor][c]);
        }
        for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
            const uint32_t ratio = midge_is_left_out(s, unit, anchor)
                                       ? 0u
                                       : midge_short_ratio(best + 1, s->fitness[unit][anchor][c] + 1);
            shares[unit][c] = (int32_t)(ratio * ratio >> 2); /* Q28 */
            total += shares[unit][c];
        }
        const int32_t inverse = midge_quotient(INT32_C(1) << 28, total, 24);
        for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
            shares[unit][c] = (int32_t)(midge_product(shares[unit][c], inverse) >> 28);
        }
    }
}

MIDGE_KERNEL void midge_begin_mix(const MIDGE_LEARNER *s, struct midge_mix *mix) {
    mix->anchor = 0;
    midge_shares(s, 0, mix->share);
    MIDGE_FILL(mix->slope, 0, sizeof mix->slope);
    MIDGE_FILL(mix->path, 0, sizeof mix->path);
    MIDGE_FILL(mix->direct, 0, sizeof mix->direct);
}

/* New lines behind an anchor; none lead on behind the last. */
MIDGE_PART void midge_next_anchor(const MIDGE_LEARNER *s, struct midge_mix *mix) {
    mix->anchor++;
    if (mix->anchor == MIDGE_ANCHORS) {
        MIDGE_FILL(mix->slope, 0, sizeof mix->slope);
        return;
    }
    midge_shares(s, mix->anchor, mix->slope);
    for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            const int32_t apart = mix->slope[unit][c] - mix->share[unit][c];
            mix->slope[unit][c] = midge_a_lead(apart, midge_mix_parts[mix->anchor]);
        }
    }
}

MIDGE_KERNEL int32_t midge_stretch_end(const struct midge_mix *mix) {
    return mix->anchor < MIDGE_ANCHORS ? midge_anchors[mix->anchor] : MIDGE_HORIZON;
}

/* At the end of a stretch: direct and persistence, less the line under the season's path, which has taken their share.
   mixed: [channels], of the last lead; those before stand before it. */
MIDGE_PART void midge_complete(struct midge_mix *mix, const struct midge_ahead *a, int32_t *mixed) {
    const int32_t from = mix->anchor > 0 ? midge_anchors[mix->anchor - 1] : a->lead, leads = a->lead - from;
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const int32_t path = mix->path[c], last = a->values[MIDGE_PERSISTENCE][c];
        const int32_t slope = mix->anchor < MIDGE_ANCHORS
                                  ? midge_a_lead(a->values[MIDGE_SEASON][c] - path, midge_mix_parts[mix->anchor])
                                  : 0;
        const int32_t direct_slope = mix->slope[MIDGE_DIRECT][c], last_slope = mix->slope[MIDGE_PERSISTENCE][c];
        int32_t direct_share = mix->share[MIDGE_DIRECT][c] - leads * direct_slope;
        int32_t last_share = mix->share[MIDGE_PERSISTENCE][c] - leads * last_slope;
        int32_t *at = mixed + c - leads * MIDGE_CHANNELS;
        int64_t line = path, direct = mix->direct[c];
        for (int32_t k = 0; k < leads; k++) {
            line += slope;
            direct += a->slope[c];
            direct_share += direct_slope;
            last_share += last_slope;
            at += MIDGE_CHANNELS;
            const int32_t above = midge_narrow(midge_narrow(direct) - line), from_last = midge_narrow(last - line);
            const int64_t sum = midge_product(direct_share, above) + midge_product(last_share, from_last);
            *at = midge_narrow(*at + midge_rounded(sum, 24));
        }
        mix->path[c] = a->values[MIDGE_SEASON][c];
        mix->direct[c] = a->values[MIDGE_DIRECT][c];
    }
}

/* mixed: [channels], forecasts of this lead by shares; leads come in order from 1 on, each a row behind the one before. */
MIDGE_PART void midge_mixed(const MIDGE_LEARNER *s, struct midge_mix *mix, const struct midge_ahead *a,
                            int32_t *mixed) {
    if (mix->anchor < MIDGE_ANCHORS && a->lead == midge_anchors[mix->anchor] + 1) {
        midge_next_anchor(s, mix);
    }
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        int32_t shares[MIDGE_UNITS];
        int64_t sum = 0;
        for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
            shares[unit] = mix->share[unit][c] += mix->slope[unit][c];
        }
        if (a->lead > 1) {
            shares[MIDGE_SEASON] += shares[MIDGE_DIRECT] + shares[MIDGE_PERSISTENCE];
        }
        for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
            if (a->lead == 1 || !(unit == MIDGE_DIRECT || unit == MIDGE_PERSISTENCE)) {
                sum += midge_product(shares[unit], a->values[unit][c]);
            }
        }
        mixed[c] = midge_narrowed(sum, 24);
    }
    if (a->lead == midge_stretch_end(mix)) {
        midge_complete(mix, a, mixed);
    }
}

/* forecast: [horizon][channels], from units of the channels into steps. */
MIDGE_PART void midge_all_in_steps(const MIDGE_LEARNER *s, int32_t (*forecast)[MIDGE_CHANNELS]) {
    for (int32_t lead = 0; lead < MIDGE_HORIZON; lead++) {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            forecast[lead][c] = midge_in_steps(s, c, forecast[lead][c]);
        }
    }
}

/* A regime has just been recalled: credit it with a part of the best unit's error. */
MIDGE_KERNEL void midge_trust(MIDGE_LEARNER *s) {
    for (int32_t anchor = 0; anchor < MIDGE_ANCHORS; anchor++) {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            const int32_t best = midge_times(midge_best_fitness(s, anchor, c), MIDGE_TRUST, 24);
            s->fitness[MIDGE_JOINT][anchor][c] = best;
            s->fitness[MIDGE_REGIME][anchor][c] = best;
        }
    }
}
