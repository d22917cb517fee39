/* What a restored state must be for nothing to reach outside of it, to overflow or to be the square of no number. */
#include "learner.h"
#include "learner_counters.h"

/* Is every float within its member's bound? In integers: where there is no FPU, that needs no routine. */
MIDGE_PART int midge_are_floats_sound(const MIDGE_LEARNER *s) {
    uint32_t word = 0;
    int is_sound = 1;
    for (size_t member = 0; member < sizeof midge_bounds / sizeof midge_bounds[0]; member++) {
        for (uint32_t k = 0; k < midge_bounds[member][0]; k++, word++) {
            const uint32_t bits = midge_word(s, word);
            is_sound &= (bits & ~MIDGE_SIGN_F32) <= midge_bounds[member][1];
            is_sound &= bits <= MIDGE_SIGN_F32 || midge_bounds[member][2] != 0u;
        }
    }
    return is_sound;
}

/* Can there be a state with these numbers? */
MIDGE_PART int midge_is_sound(const MIDGE_LEARNER *s) {
    int is_sound = midge_are_counters_sound(s->counters);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const uint32_t bits = midge_bits_f32(s->scale[c]);
        is_sound &= (bits & 0x007FFFFFu) == 0u && bits >= (127u - 42u) << 23 && bits < MIDGE_SIGN_F32;
        is_sound &= s->repeats[c] >= 0 && s->repeats[c] <= MIDGE_STUCK_TICKS;
    }
    for (int32_t place = 0; place < MIDGE_REGIMES; place++) {
        is_sound &= s->pool_id[place] >= 0 && s->pool_used[place] >= 0;
    }
    return is_sound & midge_are_floats_sound(s);
}
