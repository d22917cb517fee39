/* arg_max and arg_min of float32: a comparison with NaN is false. */
#include "argument.h"
#include "float32.h"

MIDGE_ARGUMENT_KERNEL(midge_argument_f32, float)
