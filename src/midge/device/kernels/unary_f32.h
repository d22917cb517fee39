/* Functions of one float32, in the order of operations of `midge/graph/ops`. An element is read before it is
   written. */
#include "clamp.h"
#include "float32.h"
#include "float_math.h"
#include "sigmoid_units_f32.h"

enum midge_unary_function {
    MIDGE_UNARY_ABS,
    MIDGE_UNARY_CEIL,
    MIDGE_UNARY_CLAMP, /* to [a, b] */
    MIDGE_UNARY_COS,
    MIDGE_UNARY_ELU,
    MIDGE_UNARY_ERF,
    MIDGE_UNARY_EXP,
    MIDGE_UNARY_FLOOR,
    MIDGE_UNARY_GELU_ERF,
    MIDGE_UNARY_GELU_TANH,
    MIDGE_UNARY_HARD_SIGMOID, /* a is the slope, b the value at 0 */
    MIDGE_UNARY_HARD_SWISH,
    MIDGE_UNARY_LEAKY_RELU, /* a is the slope under 0 */
    MIDGE_UNARY_LOG,
    MIDGE_UNARY_LOGISTIC,
    MIDGE_UNARY_MISH,
    MIDGE_UNARY_NEG,
    MIDGE_UNARY_ROUND,
    MIDGE_UNARY_RSQRT,
    MIDGE_UNARY_SILU,
    MIDGE_UNARY_SIN,
    MIDGE_UNARY_SOFTPLUS,
    MIDGE_UNARY_SQRT,
    MIDGE_UNARY_SQUARE,
    MIDGE_UNARY_TANH
};

struct midge_unary {
    int32_t size;
    enum midge_unary_function function;
    float a, b;
};

/* Exact; a zero keeps its sign. */
MIDGE_KERNEL float midge_floor_f32(float x) {
    const uint32_t bits = midge_bits_f32(x), magnitude = bits & ~MIDGE_SIGN_F32;
    const int32_t exponent = midge_exponent_of(bits) - 127;
    if (exponent >= 23 || magnitude == 0) {
        return x;
    }
    if (exponent < 0) {
        return (bits & MIDGE_SIGN_F32) != 0 ? -1.0f : 0.0f;
    }
    /* What is negative grows in magnitude where it has a fraction; that may carry into the exponent. */
    const uint32_t fraction = 0x007FFFFFu >> exponent;
    return midge_from_bits_f32(((bits & MIDGE_SIGN_F32) != 0 ? bits + fraction : bits) & ~fraction);
}

MIDGE_KERNEL float midge_gelu_f32(float x, int approximate) {
    const float half = 0.5f * x;
    if (!approximate) {
        return half * (1.0f + midge_erf_f32(x * 0.707106769f));
    }
    const float cubic = x + 0.0447149985f * x * x * x;
    return half * (1.0f + midge_tanh_f32(0.797884583f * cubic));
}

MIDGE_KERNEL float midge_hard_swish_f32(float x) {
    const float raised = x + 3.0f, positive = raised > 0.0f ? raised : 0.0f;
    return midge_divide_f32(x * (positive < 6.0f ? positive : 6.0f), 6.0f);
}

MIDGE_KERNEL float midge_unary_element(float x, const struct midge_unary *p) {
    switch (p->function) {
    case MIDGE_UNARY_ABS:
        return midge_from_bits_f32(midge_bits_f32(x) & ~MIDGE_SIGN_F32);
    case MIDGE_UNARY_CEIL:
        return -midge_floor_f32(-x);
    case MIDGE_UNARY_CLAMP:
        return midge_clamp_f32(x, p->a, p->b);
    case MIDGE_UNARY_COS:
        return midge_cos_f32(x);
    case MIDGE_UNARY_ELU:
        return x < 0.0f ? midge_expm1_f32(x) : x;
    case MIDGE_UNARY_ERF:
        return midge_erf_f32(x);
    case MIDGE_UNARY_EXP:
        return midge_exp_f32(x);
    case MIDGE_UNARY_FLOOR:
        return midge_floor_f32(x);
    case MIDGE_UNARY_GELU_ERF:
        return midge_gelu_f32(x, 0);
    case MIDGE_UNARY_GELU_TANH:
        return midge_gelu_f32(x, 1);
    case MIDGE_UNARY_HARD_SIGMOID:
        return midge_hard_sigmoid_f32(x, p->a, p->b);
    case MIDGE_UNARY_HARD_SWISH:
        return midge_hard_swish_f32(x);
    case MIDGE_UNARY_LEAKY_RELU:
        return x > 0.0f ? x : x * p->a;
    case MIDGE_UNARY_LOG:
        return midge_log_f32(x);
    case MIDGE_UNARY_LOGISTIC:
        return midge_logistic_f32(x);
    case MIDGE_UNARY_MISH:
        return midge_mish_f32(x);
    case MIDGE_UNARY_NEG:
        return -x;
    case MIDGE_UNARY_ROUND:
        return midge_round_half_even_f32(x);
    case MIDGE_UNARY_RSQRT:
        return midge_divide_f32(1.0f, midge_sqrt_f32(x));
    case MIDGE_UNARY_SILU:
        return midge_silu_f32(x);
    case MIDGE_UNARY_SIN:
        return midge_sin_f32(x);
    case MIDGE_UNARY_SOFTPLUS:
        return midge_softplus_f32(x);
    case MIDGE_UNARY_SQRT:
        return midge_sqrt_f32(x);
    case MIDGE_UNARY_SQUARE:
        return x * x;
    case MIDGE_UNARY_TANH:
        return midge_tanh_f32(x);
    }
    return x;
}

MIDGE_KERNEL void midge_unary_f32(const float *x, float *y, const struct midge_unary *p) {
    for (int32_t i = 0; i < p->size; i++) {
        y[i] = midge_unary_element(x[i], p);
    }
}
