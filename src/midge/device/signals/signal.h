/* What the parts of a chain stand on. */
#include "base.h"
#include "beat_state.h"

/* Each stays one function: it is found by name in a map file, a profile, and by the tracer that counts. */
#define MIDGE_SIGNAL static __attribute__((noinline, unused))
