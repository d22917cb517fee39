/* lstm, float32. inputs [units][4][features], recurrent [units][4][units], bias [units][4], gates in the order input,
   forget, cell, output; hidden and cell [sequences][units] are rewritten in place.
   Sums start from 0 and run upwards, one rounding a step. A row of y is written while its row of x is read. */
#include "clamp.h"
#include "float_math.h"

struct midge_lstm_f32 {
    int32_t sequences, steps, features, units;
    int32_t time_major; /* 1: a step's sequences stand side by side; 0: a sequence's steps do */
    int32_t anew;       /* 1: every run starts from zeros; 0: from what the last one left */
    float clip;         /* the cell is held in [-clip, clip], where over 0 */
};

/* Infinities to the largest finite numbers. */
MIDGE_KERNEL float midge_limit_f32(float value) { return midge_clamp_f32(value, -0x1.fffffep127f, 0x1.fffffep127f); }

/* One unit: moves its cell on, and returns its hidden state. */
MIDGE_KERNEL float midge_lstm_unit_f32(const float *gates, float *cell, float clip) {
    const float input = midge_logistic_f32(gates[0]), forget = midge_logistic_f32(gates[1]);
    const float update = midge_tanh_f32(gates[2]), output = midge_logistic_f32(gates[3]);
    float kept = midge_limit_f32(forget * *cell) + midge_limit_f32(input * update);
    if (clip > 0.0f) {
        /* What is not a number is taken for the upper bound. */
        kept = kept < clip ? kept : clip;
        kept = kept < -clip ? -clip : kept;
    }
    *cell = kept;
    return midge_limit_f32(midge_tanh_f32(kept) * output);
}

MIDGE_KERNEL void midge_lstm_f32(
    const float *x, float *y, float *hidden, float *cell, const float *inputs, const float *recurrent,
    const float *bias, const struct midge_lstm_f32 *p) {
    if (p->anew) {
        MIDGE_FILL(hidden, 0, p->sequences * p->units * (int32_t)sizeof *hidden);
        MIDGE_FILL(cell, 0, p->sequences * p->units * (int32_t)sizeof *cell);
    }
    for (int32_t r = 0; r < p->sequences * p->steps; r++) {
        const int32_t at = (p->time_major ? r % p->sequences : r / p->steps) * p->units;
        const float *w = inputs, *v = recurrent;
        for (int32_t u = 0; u < p->units; u++) {
            float gates[4];
            for (int32_t gate = 0; gate < 4; gate++) {
                float one = 0.0f, two = 0.0f;
                for (int32_t k = 0; k < p->features; k++) {
                    one += x[k] * *w++;
                }
                for (int32_t k = 0; k < p->units; k++) {
                    two += hidden[at + k] * *v++;
                }
                gates[gate] = midge_limit_f32(one + bias[4 * u + gate]) + midge_limit_f32(two);
            }
            y[u] = midge_lstm_unit_f32(gates, cell + at + u, p->clip);
        }
        MIDGE_COPY(hidden + at, y, p->units * (int32_t)sizeof *y);
        x += p->features;
        y += p->units;
    }
}
