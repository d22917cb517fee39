/* A season's period, found online: the lag at which a stream resembles itself. */
#include "learner_past.h"

/* The present period, or the one that should replace it. `season_errors[i]` is lag i + 1. */
MIDGE_KERNEL int32_t midge_find_period(const MIDGE_LEARNER *s) {
    const int32_t present = s->counters[MIDGE_PERIOD];
    int32_t best = present;
    float largest = s->season_errors[0], depth = 1.0f, present_depth = 1.0f;
    for (int32_t lag = 1; lag <= MIDGE_RING - 2; lag++) {
        largest = midge_most(largest, s->season_errors[lag - 1]);
        const float here = midge_quotient(s->season_errors[lag - 1], largest + 1e-9f);
        present_depth = lag == present ? here : present_depth;
        if (lag >= MIDGE_SHORTEST_SEASON && here < MIDGE_CLEARLY * depth) {
            best = lag;
            depth = here;
        }
    }
    return depth < MIDGE_DEEP && depth < MIDGE_BETTER * present_depth ? best : present;
}

/* Take a sample into the distances, and change the period where a better one is found. */
MIDGE_PART void midge_follow_season(MIDGE_LEARNER *s, const float *sample) {
    const int32_t ticks = s->counters[MIDGE_TICKS];
    if (ticks < MIDGE_RING) {
        return;
    }
    const float rate = midge_rate(ticks - MIDGE_RING + 1, MIDGE_SEASON_RATE);
    float inverse[MIDGE_CHANNELS], now[MIDGE_CHANNELS];
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        inverse[c] = midge_inverse(s->scale[c]);
        now[c] = sample[c];
    }
    for (int32_t lag = 0, row = s->counters[MIDGE_POSITION]; lag < MIDGE_RING; lag++) {
        row = row == 0 ? MIDGE_RING - 1 : row - 1;
        float distance = 0.0f;
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            const float past = (s->ring[row][c] - s->offset[c]) * inverse[c];
            distance += midge_magnitude(now[c] - midge_within(past, MIDGE_LARGEST_NORMALISED));
        }
        s->season_errors[lag] += rate * (distance - s->season_errors[lag]);
    }
    if (ticks >= 2 * MIDGE_RING && ticks % MIDGE_LOOK_TICKS == 0) {
        const int32_t period = midge_find_period(s);
        if (period != s->counters[MIDGE_PERIOD]) {
            s->counters[MIDGE_PERIOD] = period;
            MIDGE_FILL(s->season, 0, sizeof s->season);
            MIDGE_FILL(s->season_upper, 0, sizeof s->season_upper);
            for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
                for (int32_t k = 0; k < MIDGE_SEASON_FEATURES; k++) {
                    s->season_variances[c][k] = MIDGE_PRIOR;
                }
            }
        }
    }
}
