/* One tick, and the state's form in bytes. */
#include "fixed_anomaly.h"
#include "fixed_regimes.h"
#include "fixed_season.h"
#include "fixed_units_of.h"

#define MIDGE_WRAP_AT (INT32_C(1) << 30)

/* Everything that learns from a sample, in steps. Returns what happened to the regimes. */
MIDGE_PART int midge_learn_from(MIDGE_LEARNER *s, const int32_t *raw, const uint8_t *known, int32_t *probability) {
    const int32_t *const last = midge_past_row(s, 0);
    struct midge_view view;
    int32_t sample[MIDGE_CHANNELS], any = 0;
    uint8_t learned[MIDGE_CHANNELS];
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        sample[c] = midge_normalised(s, c, raw[c]);
        s->repeats[c] = raw[c] == last[c] ? midge_min(s->repeats[c] + 1, MIDGE_STUCK_TICKS) : 0;
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
MIDGE_KERNEL void midge_push_sample(MIDGE_LEARNER *s, const int32_t *raw) {
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
MIDGE_PART void midge_look_ahead(MIDGE_LEARNER *s, int32_t (*forecast)[MIDGE_CHANNELS]) {
    const int32_t leads = forecast ? MIDGE_HORIZON : midge_furthest_due(s);
    struct midge_due due = {0, 0};
    struct midge_ahead ahead;
    struct midge_mix mix;
    midge_begin_ahead(s, &ahead);
    midge_begin_mix(s, &mix);
    while (ahead.lead < leads) {
        midge_go_ahead(s, &ahead);
        midge_keep(s, &due, &ahead);
        if (forecast) {
            midge_mixed(s, &mix, &ahead, forecast[ahead.lead - 1]);
        } else if (ahead.lead == 1) {
            midge_mixed(s, &mix, &ahead, s->expected);
        }
    }
    if (forecast) {
        MIDGE_COPY(s->expected, forecast[0], sizeof s->expected);
        midge_all_in_steps(s, forecast);
    }
}

/* x: [channels], in steps; INT32_MIN is missing. forecast: [horizon][channels] or NULL. Returns what happened to the
   regimes. */
MIDGE_KERNEL int midge_update(MIDGE_LEARNER *s, const int32_t *x, int32_t *probability,
                              int32_t (*forecast)[MIDGE_CHANNELS]) {
    int32_t raw[MIDGE_CHANNELS];
    uint8_t known[MIDGE_CHANNELS];
    int change = MIDGE_NO_CHANGE;
    *probability = MIDGE_CERTAIN;
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        known[c] = x[c] != INT32_MIN;
        raw[c] = known[c] ? midge_narrow(x[c]) : 0;
    }
    if (s->counters[MIDGE_TICKS] == 0) {
        midge_begin(s, raw);
    } else {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            raw[c] = known[c] ? raw[c] : midge_in_steps(s, c, s->expected[c]);
        }
        change = midge_learn_from(s, raw, known, probability);
    }
    midge_follow(s, raw);
    midge_push_sample(s, raw);
    midge_look_ahead(s, forecast);
    return change;
}

/* The forecast from the last sample on, as `midge_update` gave it. */
MIDGE_KERNEL void midge_forecast(const MIDGE_LEARNER *s, int32_t (*forecast)[MIDGE_CHANNELS]) {
    struct midge_ahead ahead;
    struct midge_mix mix;
    midge_begin_ahead(s, &ahead);
    midge_begin_mix(s, &mix);
    while (ahead.lead < MIDGE_HORIZON) {
        midge_go_ahead(s, &ahead);
        midge_mixed(s, &mix, &ahead, forecast[ahead.lead - 1]);
    }
    midge_all_in_steps(s, forecast);
}
