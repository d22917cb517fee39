/* Who is believed: each unit by its recent squared error, for every channel and anchor. */
#include "learner_learning.h"

/* A unit's mean squared error follows a forecast of it. */
MIDGE_KERNEL void midge_judge_unit(float *fitness, float forecast, float rate, float sample) {
    const float error = forecast - sample, whole = error * error;
    *fitness += rate * (midge_within(whole, MIDGE_LARGEST_JUDGED) - *fitness);
}

/* Of one channel: forecasts of all units but persistence, [units][channels] from `waiting` on, and of persistence. */
MIDGE_KERNEL void midge_judge_one(MIDGE_LEARNER *s, int32_t anchor, int32_t c, const float *waiting, float rate,
                                  float sample) {
    const float offset = s->offset[c], inverse = midge_inverse(s->scale[c]);
    float *const fitness = &s->fitness[0][anchor][c];
    for (int32_t unit = 0; unit < MIDGE_PERSISTENCE; unit++) {
        const float units = (waiting[unit * MIDGE_CHANNELS] - offset) * inverse;
        midge_judge_unit(fitness + unit * MIDGE_ANCHORS * MIDGE_CHANNELS,
                         midge_within(units, MIDGE_LARGEST_NORMALISED), rate, sample);
    }
    midge_judge_unit(&s->fitness[MIDGE_PERSISTENCE][anchor][c], midge_past(s, midge_anchors[anchor] - 1, c), rate,
                     sample);
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
        const int32_t slot = first + number % midge_pending[anchor];
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            if (known[c]) {
                midge_judge_one(s, anchor, c, &s->waiting[slot][0][c], rate, sample[c]);
            }
        }
    }
}

/* The least error among units. */
MIDGE_KERNEL float midge_best_fitness(const MIDGE_LEARNER *s, int32_t anchor, int32_t c) {
    float best = s->fitness[0][anchor][c];
    for (int32_t unit = 1; unit < MIDGE_UNITS; unit++) {
        best = midge_least(best, s->fitness[unit][anchor][c]);
    }
    return best;
}

MIDGE_KERNEL int midge_is_left_out(const MIDGE_LEARNER *s, int32_t unit, int32_t anchor) {
    return (unit == MIDGE_DIRECT && anchor < MIDGE_FIRST_DIRECT) ||
           (unit == MIDGE_REGIME && s->counters[MIDGE_KNOWN] == 0);
}

/* shares: [units][channels] at an anchor; they sum to 1 over units, to rounding. */
MIDGE_PART void midge_shares(const MIDGE_LEARNER *s, int32_t anchor, float (*shares)[MIDGE_CHANNELS]) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const float best = midge_best_fitness(s, anchor, c) + 1e-9f;
        float squares[MIDGE_UNITS], total = 0.0f;
        MIDGE_UNROLLED
        for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
            squares[unit] = 0.0f;
            if (!midge_is_left_out(s, unit, anchor)) {
                const float ratio = midge_quotient(best, s->fitness[unit][anchor][c] + 1e-9f);
                squares[unit] = ratio * ratio;
            }
            total += squares[unit];
        }
        MIDGE_UNROLLED
        for (int32_t unit = 0; unit < MIDGE_UNITS; unit++) {
            shares[unit][c] = midge_is_left_out(s, unit, anchor) ? 0.0f : midge_quotient(squares[unit], total);
        }
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
