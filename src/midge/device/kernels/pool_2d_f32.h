/* average_pool_2d, max_pool_2d and l2_pool_2d, float32. Sums are taken from 0, row by row; a maximum passes NaN
   over. */
#include "clamp.h"
#include "float32.h"
#include "float_math.h"
#include "pool_2d.h"

struct midge_pool_2d_f32 {
    struct midge_window window;
    float low, high;
};

MIDGE_POOL_2D_KERNEL(
    midge_average_pool_2d_f32, midge_pool_2d_f32, float, float, 0.0f, held + tap,
    midge_clamp_f32(midge_divide_f32(held, (float)midge_area(rows, columns)), p->low, p->high))

MIDGE_POOL_2D_KERNEL(
    midge_max_pool_2d_f32, midge_pool_2d_f32, float, float, -3.40282347e+38f, held < tap ? tap : held,
    midge_clamp_f32(held, p->low, p->high))

MIDGE_POOL_2D_KERNEL(
    midge_l2_pool_2d_f32, midge_pool_2d_f32, float, float, 0.0f, held + tap * tap,
    midge_clamp_f32(midge_sqrt_f32(midge_divide_f32(held, (float)midge_area(rows, columns))), p->low, p->high))
