/* What is known of a beat when it is decided, and the running picture that it is compared with. The twin is
   midge/signals/rhythm.py. */
#include "level.h"
#include "pointwise.h"

#define MIDGE_LONGEST_RR 16383
#define MIDGE_LONG_BITS 5
#define MIDGE_UNREST_BITS 4

struct midge_beat_facts {
    int32_t rr_before;
    int32_t rr_after;
    int32_t rr_previous;
    int32_t rr_local;
    int32_t rr_long;
    int32_t amplitude;
    int32_t usual_amplitude;
    int32_t slope;
    int32_t usual_slope;
    int32_t width;
    int32_t usual_width;
    int32_t extreme;
    int32_t unrest;
    int32_t distance_before; /* to the template, in quarters of a code */
    int32_t distance_at;
    int32_t distance_after;
    int32_t usual_distance_before;
    int32_t usual_distance_at;
    int32_t usual_distance_after;
    uint32_t millisecond_factor; /* inner samples to milliseconds, in 256ths */
};

/* Takes a beat into the picture; `rr_after`: inner samples to the next one, or the time-out. */
MIDGE_SIGNAL void midge_rhythm_add(struct midge_rhythm *rhythm, const struct midge_pulse *pulse, int32_t rr_after,
                             uint32_t millisecond_factor, struct midge_beat_facts *facts) {
    const uint32_t since = rhythm->started ? pulse->at - rhythm->last_at : (uint32_t)rr_after;
    const int32_t rr = since < MIDGE_LONGEST_RR ? (int32_t)since : MIDGE_LONGEST_RR;
    if (!rhythm->started) {
        rhythm->started = 1;
        midge_level_fill(&rhythm->rr, rr);
        midge_level_fill(&rhythm->amplitude, pulse->amplitude);
        midge_level_fill(&rhythm->slope, pulse->slope);
        midge_level_fill(&rhythm->width, pulse->width);
        rhythm->long_mean = rr * 256;
        rhythm->previous = rr;
    } else {
        midge_level_add(&rhythm->amplitude, pulse->amplitude);
        midge_level_add(&rhythm->slope, pulse->slope);
        midge_level_add(&rhythm->width, pulse->width);
    }
    facts->rr_before = rr;
    facts->rr_after = rr_after;
    facts->rr_previous = rhythm->previous;
    facts->rr_local = rhythm->rr.median;
    facts->rr_long = rhythm->long_mean >> 8;
    facts->amplitude = pulse->amplitude;
    facts->usual_amplitude = rhythm->amplitude.median;
    facts->slope = pulse->slope;
    facts->usual_slope = rhythm->slope.median;
    facts->width = pulse->width;
    facts->usual_width = rhythm->width.median;
    facts->extreme = pulse->extreme;
    facts->unrest = rhythm->unrest;
    facts->distance_before = 0;
    facts->distance_at = 0;
    facts->distance_after = 0;
    facts->usual_distance_before = 0;
    facts->usual_distance_at = 0;
    facts->usual_distance_after = 0;
    facts->millisecond_factor = millisecond_factor;
    const int32_t step = rr < rhythm->previous ? rhythm->previous - rr : rr - rhythm->previous;
    const int32_t unrest = midge_min(step, rhythm->rr.median) * 256 - rhythm->unrest;
    rhythm->unrest += midge_shift_down(unrest, MIDGE_UNREST_BITS);
    midge_level_add(&rhythm->rr, rr);
    const int32_t change = rr * 256 - rhythm->long_mean;
    rhythm->long_mean += midge_shift_down(change, MIDGE_LONG_BITS);
    rhythm->previous = rr;
    rhythm->last_at = pulse->at;
}
