/* Who is believed: each unit by its recent squared error, for every channel and anchor. */
#include "learner_ahead.h"

MIDGE_KERNEL void midge_judge_one(MIDGE_LEARNER *s, int32_t anchor, int32_t c, int32_t slot, float rate,
                                  float sample) {
    for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
        const float forecast = unit == MIDGE_PERSISTENCE ? midge_past(s, midge_anchors[anchor] - 1, c)
                                                         : midge_normalised(s, c, s->waiting[slot][unit][c]);
        const float error = forecast - sample, square = midge_least(error * error, MIDGE_LARGEST_JUDGED);
        float *const fitness = &s->fitness[unit][anchor][c];
        *fitness += rate * (square - *fitness);
    }
}

/* Compare forecasts of this tick with the sample. */
MIDGE_PART void midge_judge(MIDGE_LEARNER *s, const float *sample, const uint8_t *known) {
    int32_t first = 0;
    for (int32_t anchor = 0; anchor < MIDGE_ANCHORS; first += midge_pending[anchor], anchor++) {
        const int32_t made = s->counters[MIDGE_TICKS] + 1 - midge_anchors[anchor];
        if (made < 1 || made % midge_strides[anchor] != 0) {
            continue;
        }
        const int32_t number = made / midge_strides[anchor];
        const float rate = midge_rate(number + 1, MIDGE_FITNESS_RATE);
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
        for (int32_t unit = 0; unit < MIDGE_PERSISTENCE; unit++) {
            for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
                s->waiting[slot][unit][c] = midge_in_user_units(s, c, a->values[unit][c]);
            }
        }
    }
    due->first += midge_pending[anchor];
    due->anchor++;
}

/* The least error among units. */
MIDGE_KERNEL float midge_best_fitness(const MIDGE_LEARNER *s, int32_t anchor, int32_t c) {
    float best = s->fitness[0][anchor][c];
    for (int32_t unit = 1; unit < MIDGE_UNITS; unit++) {
        best = midge_least(best, s->fitness[unit][anchor][c]);
    }
    return best;
}

/* Shares of units at the anchors around a lead, [units][channels]. */
struct midge_mix {
    int32_t anchor;
    float below[MIDGE_UNITS][MIDGE_CHANNELS], above[MIDGE_UNITS][MIDGE_CHANNELS];
};

/* shares: [units][channels] at an anchor; they sum to 1 over units, to rounding. */
MIDGE_PART void midge_shares(const MIDGE_LEARNER *s, int32_t anchor, float (*shares)[MIDGE_CHANNELS]) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const float best = midge_best_fitness(s, anchor, c) + 1e-9f;
        float total = 0.0f;
        for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
            const float ratio = midge_quotient(best, s->fitness[unit][anchor][c] + 1e-9f);
            const int32_t left_out = (unit == MIDGE_DIRECT && anchor < MIDGE_FIRST_DIRECT) ||
                                     (unit == MIDGE_REGIME && s->counters[MIDGE_KNOWN] == 0);
            shares[unit][c] = left_out ? 0.0f : ratio * ratio;
            total += shares[unit][c];
        }
        for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
            shares[unit][c] = midge_quotient(shares[unit][c], total);
        }
    }
}

MIDGE_KERNEL void midge_begin_mix(const MIDGE_LEARNER *s, struct midge_mix *mix) {
    mix->anchor = 0;
    midge_shares(s, 0, mix->above);
    MIDGE_COPY(mix->below, mix->above, sizeof mix->below);
}

/* mixed: [channels], forecasts of this lead by shares; leads come in order from 1 on. */
MIDGE_PART void midge_mixed(const MIDGE_LEARNER *s, struct midge_mix *mix, const struct midge_ahead *a, float *mixed) {
    while (mix->anchor < MIDGE_ANCHORS - 1 && a->lead > midge_anchors[mix->anchor]) {
        MIDGE_COPY(mix->below, mix->above, sizeof mix->below);
        midge_shares(s, ++mix->anchor, mix->above);
    }
    const int32_t at = mix->anchor;
    const float part = at > 0 ? midge_part(a->lead, midge_anchors[at - 1], midge_anchors[at]) : 1.0f;
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        float sum = 0.0f;
        for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
            const float below = mix->below[unit][c];
            const float term = (below + part * (mix->above[unit][c] - below)) * a->values[unit][c];
            sum = unit == 0 ? term : sum + term;
        }
        mixed[c] = sum;
    }
}

MIDGE_KERNEL void midge_mixed_in_user_units(const MIDGE_LEARNER *s, struct midge_mix *mix,
                                            const struct midge_ahead *a, float *mixed) {
    midge_mixed(s, mix, a, mixed);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        mixed[c] = midge_in_user_units(s, c, mixed[c]);
    }
}

/* A regime has just been recalled: credit it with a part of the best unit's error. */
MIDGE_KERNEL void midge_trust(MIDGE_LEARNER *s) {
    for (int32_t anchor = 0; anchor < MIDGE_ANCHORS; anchor++) {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            const float best = MIDGE_TRUST * midge_best_fitness(s, anchor, c);
            s->fitness[MIDGE_JOINT][anchor][c] = best;
            s->fitness[MIDGE_REGIME][anchor][c] = best;
        }
    }
}
