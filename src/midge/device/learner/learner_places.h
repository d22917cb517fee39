/* Where things stand in a learner's arrays, whatever its arithmetic. */
#include "base.h"

/* Each stays one function: it is found by name in a map file, a profile, and by the tracer that counts. */
#define MIDGE_PART static __attribute__((noinline, unused))

#define MIDGE_UNLIKELY(condition) __builtin_expect(condition, 0)

/* Places in `counters`, in `watch`, and of the units. */
enum {
    MIDGE_TICKS,
    MIDGE_POSITION,
    MIDGE_PERIOD,
    MIDGE_CURRENT,
    MIDGE_KNOWN,
    MIDGE_NEXT_ID,
    MIDGE_SEARCHING,
    MIDGE_SINCE
};
enum { MIDGE_ERROR, MIDGE_LEVEL, MIDGE_EVIDENCE, MIDGE_SPREAD };
enum { MIDGE_JOINT, MIDGE_FAST, MIDGE_SEASON, MIDGE_DIRECT, MIDGE_REGIME, MIDGE_PERSISTENCE, MIDGE_UNITS };

#define MIDGE_FIRST_DIRECT (MIDGE_ANCHORS - MIDGE_DIRECT_ANCHORS)
