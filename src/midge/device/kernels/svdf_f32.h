/* svdf, float32. Arrays as in svdf_s8.h, without an offset; bias may be NULL.
   Sums start from 0 and run upwards, one rounding a step; a row is written while it is read. */
#include "float_math.h"

enum midge_svdf_activation {
    MIDGE_SVDF_NONE,
    MIDGE_SVDF_RELU,
    MIDGE_SVDF_RELU6,
    MIDGE_SVDF_RELU_N1_TO_1,
    MIDGE_SVDF_TANH,
    MIDGE_SVDF_SIGN_BIT
};

struct midge_svdf_f32 {
    int32_t batches, features, filters, rank, steps;
    enum midge_svdf_activation activation;
};

/* A clamp takes what is not a number for its upper bound, or its lower one where it has no upper one. */
MIDGE_KERNEL float midge_svdf_activate(float value, enum midge_svdf_activation activation) {
    switch (activation) {
    case MIDGE_SVDF_RELU:
        return value > 0.0f ? value : 0.0f;
    case MIDGE_SVDF_RELU6:
        value = value < 6.0f ? value : 6.0f;
        return value > 0.0f ? value : 0.0f;
    case MIDGE_SVDF_RELU_N1_TO_1:
        value = value < 1.0f ? value : 1.0f;
        return value > -1.0f ? value : -1.0f;
    case MIDGE_SVDF_TANH:
        return midge_tanh_f32(value);
    case MIDGE_SVDF_SIGN_BIT: {
        /* What is not a number has no sign: processors give it different ones. */
        const uint32_t bits = midge_bits_f32(value);
        return bits >= MIDGE_SIGN_F32 && !midge_is_nan_bits(bits) ? 1.0f : 0.0f;
    }
    case MIDGE_SVDF_NONE:
    default:
        return value;
    }
}

MIDGE_KERNEL void midge_svdf_f32(
    const float *x, float *y, float *memory, const float *feature, const float *time, const float *bias,
    const struct midge_svdf_f32 *p) {
    const int32_t units = p->filters / p->rank;
    for (int32_t b = 0; b < p->batches; b++) {
        const float *features = feature, *times = time;
        for (int32_t u = 0; u < units; u++) {
            float total = bias == NULL ? 0.0f : bias[u];
            for (int32_t r = 0; r < p->rank; r++) {
                float newest = 0.0f, sum = 0.0f;
                for (int32_t k = 0; k < p->features; k++) {
                    newest += x[k] * *features++;
                }
                for (int32_t j = 0; j < p->steps - 1; j++) {
                    memory[j] = memory[j + 1];
                    sum += times[j] * memory[j];
                }
                memory[p->steps - 1] = newest;
                total += sum + times[p->steps - 1] * newest;
                memory += p->steps;
                times += p->steps;
            }
            *y++ = midge_svdf_activate(total, p->activation);
        }
        x += p->features;
    }
}
