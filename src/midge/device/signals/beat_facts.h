/* What is known of a beat when it is decided, and the running picture that it is compared with. The twin is
   midge/signals/rhythm.py. */
#include "level.h"
#include "pointwise.h"

#define MIDGE_LONGEST_RR 16383
#define MIDGE_LONG_BITS 5
#define MIDGE_UNREST_BITS 4
#define MIDGE_NOVELTY_BITS 5
#define MIDGE_BASIC_BITS 3
#define MIDGE_EARLY_BITS 7
#define MIDGE_LATE_BITS 6

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
    int32_t rr_basic;
    int32_t usual_change;
    int32_t novelty;
    int32_t distance_before; /* to the template, in quarters of a code */
    int32_t distance_at;
    int32_t distance_after;
    int32_t usual_distance_before;
    int32_t usual_distance_at;
    int32_t usual_distance_after;
    uint32_t millisecond_factor; /* inner samples to milliseconds, in 256ths */
};

/* The middle one of the last changes, the upper of two. */
MIDGE_SIGNAL int32_t midge_usual_change(const uint16_t *changes) {
    uint16_t ordered[MIDGE_CHANGES];
    for (uint32_t i = 0; i < MIDGE_CHANGES; i++) {
        const uint16_t value = changes[i];
        uint32_t place = i;
        for (; place > 0 && ordered[place - 1] > value; place--) {
            ordered[place] = ordered[place - 1];
        }
        ordered[place] = value;
    }
    return ordered[MIDGE_CHANGES / 2];
}

/* The basic rhythm behind an interval that differs by `step` from the one before it; `basic` in 256ths. */
MIDGE_SIGNAL int32_t midge_next_basic(int32_t basic, int32_t rr, int32_t step) {
    const int32_t apart = rr * 256 - basic;
    if (midge_absolute(apart) * 8 <= basic) {
        return basic + midge_shift_down(apart, MIDGE_BASIC_BITS);
    }
    if (apart < 0) {
        return basic + midge_shift_down(apart, MIDGE_EARLY_BITS);
    }
    if (step * 8 <= rr) {
        return basic + (apart >> 2);
    }
    return basic + (midge_min(apart, basic >> 2) >> MIDGE_LATE_BITS);
}

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
        rhythm->basic = rr * 256;
        rhythm->previous = rr;
        rhythm->earlier[0] = rr;
        rhythm->earlier[1] = rr;
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
    facts->rr_basic = rhythm->basic >> 8;
    facts->usual_change = midge_usual_change(rhythm->changes);
    facts->novelty = rhythm->novelty;
    facts->distance_before = 0;
    facts->distance_at = 0;
    facts->distance_after = 0;
    facts->usual_distance_before = 0;
    facts->usual_distance_at = 0;
    facts->usual_distance_after = 0;
    facts->millisecond_factor = millisecond_factor;
    const int32_t step = midge_absolute(rr - rhythm->previous);
    const int32_t counted = midge_min(step, rhythm->rr.median);
    rhythm->changes[rhythm->change_at] = (uint16_t)counted;
    rhythm->change_at = (uint8_t)((rhythm->change_at + 1u) % MIDGE_CHANGES);
    rhythm->basic = midge_next_basic(rhythm->basic, rr, step);
    const int32_t apart =
        midge_min(midge_absolute(rr - rhythm->earlier[0]), midge_absolute(rr - rhythm->earlier[1]));
    const int32_t novelty = midge_min(counted, apart) * 256 - rhythm->novelty;
    rhythm->novelty += midge_shift_down(novelty, MIDGE_NOVELTY_BITS);
    const int32_t unrest = counted * 256 - rhythm->unrest;
    rhythm->unrest += midge_shift_down(unrest, MIDGE_UNREST_BITS);
    midge_level_add(&rhythm->rr, rr);
    const int32_t change = rr * 256 - rhythm->long_mean;
    rhythm->long_mean += midge_shift_down(change, MIDGE_LONG_BITS);
    rhythm->earlier[1] = rhythm->earlier[0];
    rhythm->earlier[0] = rhythm->previous;
    rhythm->previous = rr;
    rhythm->last_at = pulse->at;
}
