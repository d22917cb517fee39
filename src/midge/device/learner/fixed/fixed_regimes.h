/* Regimes in integers. */
#include "fixed_errors.h"
#include "regimes.h"
