/* What a restored state must be for nothing to reach outside of it or to overflow. */
#include "fixed_learner.h"
#include "learner_counters.h"

/* Can there be a state with these numbers? Every member has a range. */
MIDGE_PART int midge_is_sound(const MIDGE_LEARNER *s) {
    uint32_t word = 0;
    int is_sound = midge_are_counters_sound(s->counters);
    for (size_t member = 0; member < sizeof midge_ranges / sizeof midge_ranges[0]; member++) {
        for (int32_t k = 0; k < midge_ranges[member][0]; k++, word++) {
            const int32_t value = (int32_t)midge_word(s, word);
            is_sound &= value >= midge_ranges[member][1] && value <= midge_ranges[member][2];
        }
    }
    return is_sound;
}
