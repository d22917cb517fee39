/* For kernels that compute in float32: each operation is rounded by itself, as IEEE 754 has it, whatever options the
   file is compiled with, or it does not compile. Stands before the first kernel with a float operation in it; the
   guard reaches to the end of the file, since an inlined kernel follows the options of its layer.

   Not seen, so not to be used: -ffp-contract=fast under clang, where it overrules the pragma (the default, `on`, does
   not); and flush-to-zero, which is off in an FPU that nobody has changed since reset. Division is
   `midge_divide_f32` of float_math.h. */
#include "base.h"

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || \
    defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ != 0)
#error "float32 kernels give the same bits on every core only without -ffast-math and its parts"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "float32 kernels need a compiler that rounds every float operation to float (FLT_EVAL_METHOD 0)"
#endif

#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 2) != 0
#error "Helium's floats flush subnormals to zero; compile with integer Helium alone: -mcpu=cortex-m55+nomve.fp"
#endif

/* No fused multiply-add. GCC knows no FP_CONTRACT; its own default outside -std=c99 is to fuse. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=off")
#else
#pragma STDC FP_CONTRACT OFF
#endif
