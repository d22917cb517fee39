/* gru, float32. weights [3][units][features], recurrent [3][units][units], bias and recurrent_bias [3][units] or NULL,
   gates in the order reset, update, new. hidden [sequences][units] is rewritten in place.
   work: scratch of twice units floats, where not linear_before_reset.
   Sums start from 0 and run upwards, one rounding a step. A row of y is written while its row of x is read. */
#include "float32.h"
#include "float_math.h"

enum midge_gru_start_f32 {
    MIDGE_GRU_F32_KEPT,  /* the state as the run before left it */
    MIDGE_GRU_F32_ZEROS, /* every run starts anew */
    MIDGE_GRU_F32_GIVEN  /* from `initial` */
};

struct midge_gru_f32 {
    int32_t sequences, steps, features, units;
    int32_t time_major; /* 1: a step's sequences stand side by side; 0: a sequence's steps do */
    int linear_before_reset;
    enum midge_gru_start_f32 start;
};

MIDGE_KERNEL float midge_gru_sum_f32(
    const float *x, const float *weights, const float *bias, int32_t row, int32_t count) {
    const float *w = weights + row * count;
    float sum = 0.0f;
    for (int32_t k = 0; k < count; k++) {
        sum += x[k] * w[k];
    }
    return bias != NULL ? sum + bias[row] : sum;
}

MIDGE_KERNEL float midge_gru_unit_f32(float update, float argument, float hidden) {
    const float new = midge_tanh_f32(argument), rest = update * (hidden - new);
    return new + rest;
}

MIDGE_KERNEL void midge_gru_f32(
    const float *x, float *y, float *hidden, const float *initial, float *work, const float *weights,
    const float *recurrent, const float *bias, const float *recurrent_bias, const struct midge_gru_f32 *p) {
    const int32_t units = p->units, gates = p->linear_before_reset ? 3 : 2;
    const int32_t size = p->sequences * units * (int32_t)sizeof *hidden;
    if (p->start == MIDGE_GRU_F32_ZEROS) {
        MIDGE_FILL(hidden, 0, size);
    } else if (p->start == MIDGE_GRU_F32_GIVEN) {
        MIDGE_COPY(hidden, initial, size);
    }
    for (int32_t r = 0; r < p->sequences * p->steps; r++) {
        float *h = hidden + (p->time_major ? r % p->sequences : r / p->steps) * units;
        for (int32_t u = 0; u < units; u++) {
            float inputs[3], recurrents[3];
            for (int32_t gate = 0; gate < gates; gate++) {
                const int32_t row = gate * units + u;
                inputs[gate] = midge_gru_sum_f32(x, weights, bias, row, p->features);
                recurrents[gate] = midge_gru_sum_f32(h, recurrent, recurrent_bias, row, units);
            }
            const float reset = midge_logistic_f32(inputs[0] + recurrents[0]);
            const float update = midge_logistic_f32(inputs[1] + recurrents[1]);
            if (p->linear_before_reset) {
                const float left = reset * recurrents[2];
                y[u] = midge_gru_unit_f32(update, inputs[2] + left, h[u]);
            } else {
                work[u] = reset * h[u];
                work[units + u] = update;
            }
        }
        if (!p->linear_before_reset) {
            for (int32_t u = 0; u < units; u++) {
                const int32_t row = 2 * units + u;
                const float left = midge_gru_sum_f32(work, recurrent, recurrent_bias, row, units);
                const float input = midge_gru_sum_f32(x, weights, bias, row, p->features);
                y[u] = midge_gru_unit_f32(work[units + u], input + left, h[u]);
            }
        }
        MIDGE_COPY(h, y, units * (int32_t)sizeof *h);
        x += p->features;
        y += units;
    }
}
