/* What the counters of a restored learner must be, whatever its arithmetic. */
#include "learner_saved.h"

/* Can there be a state with these counters? What cannot might reach outside of it. */
MIDGE_PART int midge_are_counters_sound(const int32_t *n) {
    int is_sound = n[MIDGE_TICKS] >= 0 && n[MIDGE_TICKS] < INT32_C(1) << 30;
    is_sound &= n[MIDGE_POSITION] >= 0 && n[MIDGE_POSITION] < MIDGE_RING;
    is_sound &= n[MIDGE_PERIOD] >= MIDGE_SHORTEST_SEASON && n[MIDGE_PERIOD] <= MIDGE_RING - 2;
    is_sound &= n[MIDGE_KNOWN] >= 0 && n[MIDGE_KNOWN] <= MIDGE_REGIMES;
    is_sound &= n[MIDGE_CURRENT] >= -1 && n[MIDGE_CURRENT] < n[MIDGE_KNOWN];
    is_sound &= (n[MIDGE_KNOWN] == 0) == (n[MIDGE_CURRENT] < 0);
    is_sound &= n[MIDGE_NEXT_ID] >= 0 && n[MIDGE_SINCE] >= 0;
    return is_sound & (n[MIDGE_SEARCHING] >= 0 && n[MIDGE_SEARCHING] <= MIDGE_SEARCH_TICKS);
}
