/* lstm, int8 with a cell of int16, portable C.
   For each unit and gate a row: inputs [units][4][features], recurrent [units][4][units]; bias [units][4] with
   -x_zero * sum(inputs) folded in, offset [units][4] with -y_zero * sum(recurrent).
   hidden and cell [sequences][units] are rewritten in place. A row of y is written while its row of x is read. */
#include "lstm.h"

struct midge_lstm_s8 {
    struct midge_lstm_shape shape;
    struct midge_factors inputs, recurrent; /* a channel is a gate */
    struct midge_lstm_cell cell;
};

MIDGE_KERNEL void midge_lstm_s8(
    const int8_t *x, int8_t *y, int8_t *hidden, int16_t *cell, const int8_t *inputs, const int8_t *recurrent,
    const int32_t *bias, const int32_t *offset, const struct midge_lstm_s8 *p) {
    const int32_t units = p->shape.units;
    if (p->shape.anew) {
        MIDGE_FILL(hidden, p->cell.y_zero, p->shape.sequences * units);
        MIDGE_FILL(cell, 0, p->shape.sequences * units * (int32_t)sizeof *cell);
    }
    for (int32_t r = 0; r < p->shape.sequences * p->shape.steps; r++) {
        const int32_t at = midge_lstm_sequence(r, &p->shape) * units;
        const int8_t *h = hidden + at, *w = inputs, *v = recurrent;
        for (int32_t u = 0; u < units; u++) {
            int32_t gates[MIDGE_LSTM_GATES];
            for (int32_t gate = 0; gate < MIDGE_LSTM_GATES; gate++) {
                int32_t one = bias[MIDGE_LSTM_GATES * u + gate], two = offset[MIDGE_LSTM_GATES * u + gate];
                for (int32_t k = 0; k < p->shape.features; k++) {
                    one += x[k] * *w++;
                }
                for (int32_t k = 0; k < units; k++) {
                    two += h[k] * *v++;
                }
                gates[gate] = midge_lstm_gate(
                    midge_rescale(one, midge_factor_of(&p->inputs, gate), &p->inputs),
                    midge_rescale(two, midge_factor_of(&p->recurrent, gate), &p->recurrent));
            }
            y[u] = (int8_t)midge_lstm_unit(gates, cell + at + u, &p->cell);
        }
        MIDGE_COPY(hidden + at, y, units);
        x += p->shape.features;
        y += units;
    }
}
