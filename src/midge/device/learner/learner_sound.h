/* What a restored state must be for nothing to reach outside of it. */
#include "learner.h"
#include "learner_counters.h"

/* Are the floats between two members' offsets finite? */
MIDGE_KERNEL int midge_is_finite(const MIDGE_LEARNER *s, size_t start, size_t end) {
    int is_finite = 1;
    for (size_t at = start; at < end; at += 4u) {
        is_finite &= (midge_word(s, (uint32_t)(at / 4u)) & ~MIDGE_SIGN_F32) < MIDGE_INFINITY_F32;
    }
    return is_finite;
}

/* Can there be a state with these counters and scales? */
MIDGE_PART int midge_is_sound(const MIDGE_LEARNER *s) {
    int is_sound = midge_are_counters_sound(s->counters);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const uint32_t bits = midge_bits_f32(s->scale[c]), exponent = bits >> 23;
        is_sound &= (bits & 0x007FFFFFu) == 0u && exponent >= 1u && exponent <= 253u;
        is_sound &= s->repeats[c] >= 0 && s->repeats[c] <= MIDGE_STUCK_TICKS;
    }
    for (int32_t place = 0; place < MIDGE_REGIMES; place++) {
        is_sound &= s->pool_id[place] >= 0 && s->pool_used[place] >= 0;
    }
    is_sound &= midge_is_finite(s, offsetof(MIDGE_LEARNER, offset), offsetof(MIDGE_LEARNER, repeats));
    return is_sound & midge_is_finite(s, offsetof(MIDGE_LEARNER, tail), offsetof(MIDGE_LEARNER, pool_id));
}
