/* mean, sum, reduce_max and reduce_min, float32. Sums are taken from 0; the extremes pass NaN over. */
#include "float32.h"
#include "float_math.h"
#include "reductions.h"

MIDGE_REDUCTION_KERNEL(midge_sum_f32, float, float, 0.0f, held + term, held)
MIDGE_REDUCTION_KERNEL(midge_mean_f32, float, float, 0.0f, held + term, midge_divide_f32(held, p->count))
MIDGE_REDUCTION_KERNEL(midge_reduce_max_f32, float, float, -3.40282347e+38f, term > held ? term : held, held)
MIDGE_REDUCTION_KERNEL(midge_reduce_min_f32, float, float, 3.40282347e+38f, term < held ? term : held, held)
