/* A season's period, found online: the lag at which a stream resembles itself. */
#include "fixed_past.h"

/* The present period, or the one that should replace it. `season_errors[i]` is lag i + 1. */
MIDGE_KERNEL int32_t midge_find_period(const MIDGE_LEARNER *s) {
    const int32_t present = s->counters[MIDGE_PERIOD], one = INT32_C(1) << 24;
    int32_t best = present, largest = 0, depth = one, present_depth = one;
    for (int32_t lag = 1; lag <= MIDGE_RING - 2; lag++) {
        largest = midge_max(largest, s->season_errors[lag - 1]);
        const int32_t here = midge_quotient(s->season_errors[lag - 1], largest + 1, 24);
        present_depth = lag == present ? here : present_depth;
        if (lag >= MIDGE_SHORTEST_SEASON && here < midge_times(depth, MIDGE_CLEARLY, 24)) {
            best = lag;
            depth = here;
        }
    }
    return depth < MIDGE_DEEP && depth < midge_times(present_depth, MIDGE_BETTER, 24) ? best : present;
}

/* Take a sample into the distances, and change the period where a better one is found. */
MIDGE_PART void midge_follow_season(MIDGE_LEARNER *s, const int32_t *sample) {
    const int32_t ticks = s->counters[MIDGE_TICKS];
    if (ticks < MIDGE_RING) {
        return;
    }
    const int32_t rate = midge_rate(ticks - MIDGE_RING + 1, MIDGE_SEASON_RATE);
    const uint32_t dither = midge_dither(s);
    for (int32_t lag = 0, row = s->counters[MIDGE_POSITION]; lag < MIDGE_RING; lag++) {
        const int32_t *const past = s->ring[row = row == 0 ? MIDGE_RING - 1 : row - 1];
        int32_t distance = 0;
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            const int32_t apart = midge_magnitude(sample[c] - midge_normalised(s, c, past[c]));
            distance += midge_min(apart, MIDGE_LARGEST_DISTANCE);
        }
        s->season_errors[lag] = midge_towards(s->season_errors[lag], distance, rate, dither);
    }
    if (ticks >= 2 * MIDGE_RING && ticks % MIDGE_LOOK_TICKS == 0) {
        const int32_t period = midge_find_period(s);
        if (period != s->counters[MIDGE_PERIOD]) {
            s->counters[MIDGE_PERIOD] = period;
            MIDGE_FILL(s->season, 0, sizeof s->season);
            MIDGE_FILL(s->season_factor, 0, sizeof s->season_factor);
            for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
                for (int32_t k = 0; k < MIDGE_SEASON_FEATURES; k++) {
                    s->season_variances[c][k] = MIDGE_PRIOR;
                }
            }
        }
    }
}
