/* Regimes in float32. */
#include "learner_errors.h"
#include "regimes.h"
