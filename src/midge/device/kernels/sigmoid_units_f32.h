/* silu, mish, softplus and hard_sigmoid of one float32, in the order of operations of
   `midge/graph/ops/sigmoid_units.py`. */
#include "clamp.h"
#include "float32.h"
#include "float_math.h"

MIDGE_KERNEL float midge_silu_f32(float x) { return x * midge_logistic_f32(x); }

MIDGE_KERNEL float midge_mish_f32(float x) {
    if (!(x < 20.0f)) {
        return x;
    }
    const float e = midge_exp_f32(x), n = e * (e + 2.0f);
    return x * midge_divide_f32(n, n + 2.0f);
}

MIDGE_KERNEL float midge_softplus_f32(float x) {
    const float e = midge_exp_f32(midge_from_bits_f32(midge_bits_f32(x) | MIDGE_SIGN_F32)), raised = 1.0f + e;
    float log1p = e;
    /* Where nothing of e is left in the sum, e itself is the logarithm. */
    if (midge_bits_f32(raised) != MIDGE_ONE_F32) {
        log1p = midge_log_f32(raised) * midge_divide_f32(e, raised - 1.0f);
    }
    return (x > 0.0f ? x : 0.0f) + log1p;
}

MIDGE_KERNEL float midge_hard_sigmoid_f32(float x, float alpha, float beta) {
    const float line = alpha * x;
    return midge_clamp_f32(line + beta, 0.0f, 1.0f);
}
