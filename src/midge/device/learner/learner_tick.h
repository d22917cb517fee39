/* One tick, and the state's form in bytes. */
#include "learner_ahead.h"
#include "learner_anomaly.h"
#include "learner_season.h"
#include "learner_units_of.h"

#define MIDGE_WRAP_AT (INT32_C(1) << 30)

/* Everything that learns from a sample, in the user's units. Returns what happened to the regimes. */
MIDGE_PART int midge_learn_from(MIDGE_LEARNER *s, const float *raw, const uint8_t *known, float *probability) {
    const float *const last = midge_past_row(s, 0);
    struct midge_view view;
    float sample[MIDGE_CHANNELS];
    uint8_t learned[MIDGE_CHANNELS];
    int32_t any = 0;
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const int is_same = raw[c] == last[c];
        sample[c] = midge_normalised(s, c, raw[c]);
        s->repeats[c] = is_same ? midge_min(s->repeats[c] + 1, MIDGE_STUCK_TICKS) : 0;
        learned[c] = known[c] && s->repeats[c] < MIDGE_STUCK_TICKS;
        any |= known[c];
    }
    if (!any) {
        return MIDGE_NO_CHANGE;
    }
    *probability = midge_probability(s, midge_surprise(s, sample, known));
    midge_look_back(s, &view);
    const int change = midge_watch(s, &view, sample, known);
    midge_learn(s, &view, sample, learned);
    midge_judge(s, sample, known);
    midge_follow_season(s, sample);
    return change;
}

/* The sample enters the ring. */
MIDGE_KERNEL void midge_push_sample(MIDGE_LEARNER *s, const float *raw) {
    int32_t *const position = &s->counters[MIDGE_POSITION];
    MIDGE_COPY(s->ring[*position], raw, sizeof s->ring[0]);
    *position = *position + 1 == MIDGE_RING ? 0 : *position + 1;
    s->counters[MIDGE_TICKS]++;
    if (s->counters[MIDGE_TICKS] >= MIDGE_WRAP_AT) {
        s->counters[MIDGE_TICKS] -= MIDGE_WRAP_BACK;
        for (int32_t place = 0; place < MIDGE_REGIMES; place++) {
            s->pool_used[place] = midge_max(s->pool_used[place] - MIDGE_WRAP_BACK, 0);
        }
    }
}

/* Forecast as far as is due, and keep it; the whole horizon where `forecast` is asked for. */
MIDGE_PART void midge_look_ahead(MIDGE_LEARNER *s, float (*forecast)[MIDGE_CHANNELS]) {
    float next[1][MIDGE_CHANNELS];
    struct midge_ahead ahead;
    midge_plan(s, &ahead, forecast != NULL, 1);
    ahead.asked = forecast ? ahead.count : 1;
    ahead.mixed = forecast ? forecast : next;
    ahead.waiting = s->waiting;
    midge_go_ahead(s, &ahead);
    MIDGE_COPY(s->expected, ahead.expected, sizeof s->expected);
}

/* x: [channels], in the user's units; what is not finite or 1e18 and more is missing. forecast: [horizon][channels]
   or NULL. Returns what happened to the regimes. */
MIDGE_KERNEL int midge_update(MIDGE_LEARNER *s, const float *x, float *probability,
                              float (*forecast)[MIDGE_CHANNELS]) {
    float raw[MIDGE_CHANNELS];
    uint8_t known[MIDGE_CHANNELS];
    int change = MIDGE_NO_CHANGE;
    *probability = 1.0f;
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        known[c] = x[c] > -MIDGE_LARGEST_INPUT && x[c] < MIDGE_LARGEST_INPUT;
        raw[c] = known[c] ? x[c] : 0.0f;
    }
    if (s->counters[MIDGE_TICKS] == 0) {
        midge_begin(s, raw);
    } else {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            const float expected = midge_in_user_units(s, c, s->expected[c]);
            raw[c] = known[c] ? raw[c] : midge_within(expected, MIDGE_LARGEST_INPUT);
        }
        change = midge_learn_from(s, raw, known, probability);
    }
    midge_follow(s, raw);
    midge_push_sample(s, raw);
    midge_look_ahead(s, forecast);
    return change;
}

/* The forecast from the last sample on, as `midge_update` gave it. */
MIDGE_KERNEL void midge_forecast(const MIDGE_LEARNER *s, float (*forecast)[MIDGE_CHANNELS]) {
    struct midge_ahead ahead;
    midge_plan(s, &ahead, 1, 0);
    ahead.asked = ahead.count;
    ahead.mixed = forecast;
    ahead.waiting = NULL;
    midge_go_ahead(s, &ahead);
}
