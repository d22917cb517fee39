/* gru, int16 with int8 weights and a hidden state of int16, portable C.
   weights [3][units][features], recurrent [3][units][units]; bias [3][units] with -x_zero * sum(weights) folded in,
   recurrent_bias [3][units] or NULL. hidden [sequences][units] is rewritten in place.
   work: scratch of units halves where linear_before_reset, else of twice as many.
   A row of x is read wholly before its row of y is written. */
#include "gru.h"

MIDGE_KERNEL int32_t midge_gru_input_s16(
    const int16_t *x, const int8_t *weights, const int32_t *bias, int32_t row, const struct midge_gru *p) {
    const int8_t *w = weights + row * p->features;
    int32_t sum = bias[row];
    for (int32_t k = 0; k < p->features; k++) {
        sum += x[k] * w[k];
    }
    return midge_rescale(sum, midge_factor_of(&p->inputs, row), &p->inputs);
}

MIDGE_KERNEL void midge_gru_s16(
    const int16_t *x, int16_t *y, int16_t *hidden, const int16_t *initial, int16_t *work, const int8_t *weights,
    const int8_t *recurrent, const int32_t *bias, const int32_t *recurrent_bias, const struct midge_gru *p) {
    const int32_t units = p->units, gates = p->linear_before_reset ? 3 : 2;
    midge_gru_begin(hidden, initial, p->sequences * units * (int32_t)sizeof *hidden, p->start);
    for (int32_t r = 0; r < p->sequences * p->steps; r++) {
        int16_t *h = hidden + midge_gru_sequence(r, p) * units;
        for (int32_t u = 0; u < units; u++) {
            int32_t inputs[3], recurrents[3];
            for (int32_t gate = 0; gate < gates; gate++) {
                const int32_t row = gate * units + u;
                inputs[gate] = midge_gru_input_s16(x, weights, bias, row, p);
                recurrents[gate] = midge_gru_recurrent(h, recurrent, recurrent_bias, row, p);
            }
            const int32_t reset = midge_sigmoid_q15(inputs[0] + recurrents[0]);
            const int32_t update = midge_sigmoid_q15(inputs[1] + recurrents[1]);
            if (p->linear_before_reset) {
                const int32_t left = (int32_t)(((int64_t)reset * recurrents[2] + (1 << 14)) >> 15);
                work[u] = midge_gru_unit(update, inputs[2] + left, h[u]);
            } else {
                work[u] = (int16_t)midge_gru_product(reset, h[u]);
                work[units + u] = (int16_t)update;
            }
        }
        if (p->linear_before_reset) {
            MIDGE_COPY(h, work, units * (int32_t)sizeof *h);
        } else {
            for (int32_t u = 0; u < units; u++) {
                const int32_t row = 2 * units + u;
                const int32_t argument = midge_gru_input_s16(x, weights, bias, row, p) +
                                         midge_gru_recurrent(work, recurrent, recurrent_bias, row, p);
                h[u] = midge_gru_unit(work[units + u], argument, h[u]);
            }
        }
        for (int32_t u = 0; u < units; u++) {
            const int32_t scaled = midge_rescale(h[u], midge_factor_of(&p->output, 0), &p->output) + p->y_zero;
            y[u] = midge_clamp_s16(scaled, INT16_MIN, INT16_MAX);
        }
        x += p->features;
        y += units;
    }
}
