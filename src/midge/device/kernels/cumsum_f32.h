/* cumsum, float32: each sum is rounded. */
#include "cumsum.h"
#include "float32.h"

MIDGE_CUMSUM_KERNEL(midge_cumsum_f32, float, float, 0.0f, x[at], sum)
