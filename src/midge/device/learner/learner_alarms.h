/* A learner's errors at all its leads, ranked among their own past, and one alarm a burst. Operation by operation what
   midge/adapt/alarm_rule.py does; `MIDGE_LEARNER` is what the alarms remember. */
#include "learner_saved.h"
#include "learner_tail.h"

/* Places in `counters`. */
enum { MIDGE_FILLED, MIDGE_RANKED, MIDGE_QUIET };

MIDGE_KERNEL float midge_alarm_number(MIDGE_NUMBER value) {
    return MIDGE_IS_MISSING(value) ? midge_from_bits_f32(MIDGE_NAN_F32) : (float)value;
}

/* About a logarithm to the base of 2, in units of 2^-23, of a number that is not negative. */
MIDGE_KERNEL int32_t midge_logarithm(float value) { return (int32_t)(midge_bits_f32(value) - MIDGE_ONE_F32); }

/* Evidence of three kinds, as logarithms: the largest of all channels. */
struct midge_evidence {
    float kinds[MIDGE_KINDS];
    int32_t is_known;
};

/* The error of one forecast that comes due, in mean errors, which follow; 0 while they stand on too little. */
MIDGE_KERNEL float midge_relative(MIDGE_LEARNER *s, int32_t lead, int32_t c, float error, float least, float rate) {
    float *const level = &s->level[lead][c];
    float relative = 0.0f;
    if (s->counters[MIDGE_RANKED] + 1 >= MIDGE_LEVEL_FROM) {
        relative = midge_least(midge_quotient(error, *level + least), MIDGE_LARGEST_RELATIVE);
    }
    *level += rate * (error - *level);
    return relative;
}

/* A channel's forecasts that come due, and those that wait from now on in their place. */
MIDGE_PART void midge_weigh(MIDGE_LEARNER *s, int32_t c, float seen, MIDGE_NUMBER (*forecast)[MIDGE_CHANNELS],
                            float rate, struct midge_evidence *evidence) {
    const int is_seen = seen > -MIDGE_LARGEST_INPUT && seen < MIDGE_LARGEST_INPUT;
    const float least = MIDGE_RESOLUTION * midge_magnitude(seen) + MIDGE_TINY;
    int32_t first = 0, total = 0;
    for (int32_t lead = 0; lead < MIDGE_LEADS; first += midge_leads[lead], lead++) {
        float *const waiting = &s->waiting[first + s->places[lead]][c];
        const float error = midge_magnitude(seen - *waiting);
        const int is_due = s->counters[MIDGE_FILLED] >= midge_leads[lead];
        const int is_known = is_seen && is_due && error <= MIDGE_LARGEST_ERROR;
        const float relative = is_known ? midge_relative(s, lead, c, error, least, rate) : 0.0f;
        *waiting = midge_alarm_number(forecast[midge_leads[lead] - 1][c]);
        evidence->is_known |= is_known;
        if (lead == 0) {
            const float strange = (float)midge_logarithm(relative) * MIDGE_ONE_OF_ONE;
            evidence->kinds[0] = midge_most(evidence->kinds[0], strange);
        }
        total += midge_logarithm(relative + MIDGE_FLOOR);
    }
    const float mean = (float)total * MIDGE_ONE_OF_LEADS;
    s->smooth[c] += MIDGE_SMOOTHING * (mean - s->smooth[c]);
    evidence->kinds[1] = midge_most(evidence->kinds[1], mean);
    evidence->kinds[2] = midge_most(evidence->kinds[2], s->smooth[c]);
}

/* The share of ticks expected to be as unusual, of the most unusual evidence; it counts from now on. */
MIDGE_PART float midge_most_unusual(MIDGE_LEARNER *s, const struct midge_evidence *evidence) {
    float least = 1.0f;
    for (int32_t kind = 0; kind < MIDGE_KINDS; kind++) {
        float place = (evidence->kinds[kind] - MIDGE_FIRST_EDGE) * MIDGE_BINS_AN_OCTAVE;
        place = midge_least(midge_most(place, 0.0f), MIDGE_LAST_PLACE);
        const int32_t bin = (int32_t)place;
        const float inside = place - (float)bin;
        least = midge_least(midge_rank(s->tails[kind], s->counters[MIDGE_RANKED], bin, inside, MIDGE_GUESS), least);
    }
    return least;
}

/* sample: [channels]. forecast: made behind it, as far as the longest lead. Returns whether an alarm begins. */
MIDGE_KERNEL int midge_alarm(MIDGE_LEARNER *s, const MIDGE_NUMBER *sample, MIDGE_NUMBER (*forecast)[MIDGE_CHANNELS],
                             float *probability) {
    const int32_t ranked = s->counters[MIDGE_RANKED], left = s->counters[MIDGE_QUIET];
    const float rate = midge_rate(ranked + 2, MIDGE_TAIL_SLOWEST); /* the first sample has no forecast */
    const float none = -MIDGE_LARGEST_LOGARITHM;
    struct midge_evidence evidence = {{none, none, none}, 0};
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        midge_weigh(s, c, midge_alarm_number(sample[c]), forecast, rate, &evidence);
    }
    for (int32_t lead = 0; lead < MIDGE_LEADS; lead++) {
        s->places[lead] = s->places[lead] + 1 == midge_leads[lead] ? 0 : s->places[lead] + 1;
    }
    s->counters[MIDGE_FILLED] = midge_min(s->counters[MIDGE_FILLED] + 1, midge_leads[MIDGE_LEADS - 1]);
    *probability = 1.0f;
    if (evidence.is_known) {
        *probability = midge_most_unusual(s, &evidence);
        s->counters[MIDGE_RANKED] = midge_min(ranked + 1, MIDGE_MOST_RANKED);
    }
    const int is_unusual = *probability < MIDGE_ALARM_RATE && ranked + 1 >= MIDGE_FIRST_TICKS;
    s->counters[MIDGE_QUIET] = is_unusual ? MIDGE_QUIET_TICKS : midge_max(left - 1, 0);
    return is_unusual && left == 0;
}

/* Are these numbers, and within limits? */
MIDGE_PART int midge_are_within(const float *values, int32_t count, float low, float high) {
    int are_within = 1;
    for (int32_t k = 0; k < count; k++) {
        are_within &= values[k] >= low && values[k] <= high;
    }
    return are_within;
}

/* Can alarms remember these numbers? Forecasts that wait may be anything. */
MIDGE_PART int midge_is_sound(const MIDGE_LEARNER *s) {
    const int32_t *const n = s->counters;
    int is_sound = n[MIDGE_FILLED] >= 0 && n[MIDGE_FILLED] <= midge_leads[MIDGE_LEADS - 1];
    is_sound &= n[MIDGE_RANKED] >= 0 && n[MIDGE_RANKED] <= MIDGE_MOST_RANKED;
    is_sound &= n[MIDGE_QUIET] >= 0 && n[MIDGE_QUIET] <= MIDGE_QUIET_TICKS;
    for (int32_t lead = 0; lead < MIDGE_LEADS; lead++) {
        is_sound &= s->places[lead] >= 0 && s->places[lead] < midge_leads[lead];
    }
    is_sound &= midge_are_within(s->level[0], MIDGE_LEADS * MIDGE_CHANNELS, 0.0f, MIDGE_LARGEST_ERROR);
    is_sound &= midge_are_within(s->smooth, MIDGE_CHANNELS, -MIDGE_LARGEST_LOGARITHM, MIDGE_LARGEST_LOGARITHM);
    return is_sound & midge_are_within(s->tails[0], MIDGE_KINDS * MIDGE_TAIL_BINS, 0.0f, 1.0f);
}
