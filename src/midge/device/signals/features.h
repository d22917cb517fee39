/* Numbers about a beat beside its window, each int16 and saturated; ratios in 256ths. The twins are in
   midge/signals/features.py. */
#include "beat_facts.h"

/* above / below, rounded to zero; below >= 0. */
MIDGE_SIGNAL int16_t midge_ratio(int32_t above, int32_t below) {
    const uint32_t magnitude = (uint32_t)(above < 0 ? -above : above);
    const uint32_t divisor = below > 1 ? (uint32_t)below : 1u;
    const uint32_t bounded = magnitude < (1u << 22) ? magnitude : 1u << 22;
    const uint32_t quotient = (bounded << 8) / divisor;
    const int32_t saturated = quotient < (uint32_t)INT16_MAX ? (int32_t)quotient : INT16_MAX;
    return (int16_t)(above < 0 ? -saturated : saturated);
}

/* samples <= MIDGE_LONGEST_RR, factor <= 256000 */
MIDGE_KERNEL int16_t midge_milliseconds(const struct midge_beat_facts *facts, int32_t samples) {
    const uint32_t milliseconds = (uint32_t)samples * facts->millisecond_factor >> 8;
    return (int16_t)(milliseconds < (uint32_t)INT16_MAX ? milliseconds : (uint32_t)INT16_MAX);
}

/* value >= 0 */
MIDGE_KERNEL int16_t midge_small(int32_t value) { return (int16_t)midge_min(value, INT16_MAX); }

/* Usual distances under two codes are no measure. */
MIDGE_KERNEL int16_t midge_distance_ratio(int32_t distance, int32_t usual) {
    return midge_ratio(distance, midge_max(usual, 8));
}

#define MIDGE_FEATURE(name, value)                                                     \
    MIDGE_KERNEL int16_t midge_feature_##name(const struct midge_beat_facts *facts) { \
        return value;                                                                  \
    }

MIDGE_FEATURE(rr_before_ms, midge_milliseconds(facts, facts->rr_before))
MIDGE_FEATURE(rr_after_ms, midge_milliseconds(facts, facts->rr_after))
MIDGE_FEATURE(width_ms, midge_milliseconds(facts, facts->width))
MIDGE_FEATURE(rr_before_to_local, midge_ratio(facts->rr_before, facts->rr_local))
MIDGE_FEATURE(rr_after_to_local, midge_ratio(facts->rr_after, facts->rr_local))
MIDGE_FEATURE(rr_before_to_long, midge_ratio(facts->rr_before, facts->rr_long))
MIDGE_FEATURE(rr_previous_to_local, midge_ratio(facts->rr_previous, facts->rr_local))
MIDGE_FEATURE(rr_before_to_after, midge_ratio(facts->rr_before, facts->rr_after))
MIDGE_FEATURE(rr_before_to_previous, midge_ratio(facts->rr_before, facts->rr_previous))
MIDGE_FEATURE(rr_local_to_long, midge_ratio(facts->rr_local, facts->rr_long))
MIDGE_FEATURE(amplitude_to_usual, midge_ratio(facts->amplitude, facts->usual_amplitude))
MIDGE_FEATURE(slope_to_usual, midge_ratio(facts->slope, facts->usual_slope))
MIDGE_FEATURE(width_to_usual, midge_ratio(facts->width, facts->usual_width))
MIDGE_FEATURE(rr_unrest, midge_small(facts->unrest / midge_max(facts->rr_local, 1)))
MIDGE_FEATURE(rr_usual_change, midge_ratio(facts->usual_change, facts->rr_local))
MIDGE_FEATURE(rr_novelty, midge_small(facts->novelty / midge_max(facts->rr_local, 1)))
MIDGE_FEATURE(rr_before_to_basic, midge_ratio(facts->rr_before, facts->rr_basic))
MIDGE_FEATURE(rr_local_to_basic, midge_ratio(facts->rr_local, facts->rr_basic))
MIDGE_FEATURE(template_before, midge_small(facts->distance_before))
MIDGE_FEATURE(template_at, midge_small(facts->distance_at))
MIDGE_FEATURE(template_after, midge_small(facts->distance_after))
MIDGE_FEATURE(template_before_to_usual, midge_distance_ratio(facts->distance_before, facts->usual_distance_before))
MIDGE_FEATURE(template_at_to_usual, midge_distance_ratio(facts->distance_at, facts->usual_distance_at))
MIDGE_FEATURE(template_after_to_usual, midge_distance_ratio(facts->distance_after, facts->usual_distance_after))
MIDGE_FEATURE(extreme_to_usual, midge_ratio(facts->extreme, facts->usual_amplitude))

/* What a network is given for a feature. */
MIDGE_KERNEL int8_t midge_feature_code(int16_t value, int32_t offset, int32_t shift) {
    const int32_t above = value - offset;
    return midge_clamp_s8(midge_shift_down(above, shift), INT8_MIN, INT8_MAX);
}
