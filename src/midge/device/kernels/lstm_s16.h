/* lstm, int16 with int8 weights and a cell of int16, portable C. Weights as in lstm_s8.h; the sums' biases
   [units][4], their factors one a gate. hidden and cell [sequences][units] are rewritten in place.
   A row of y is written while its row of x is read. */
#include "lstm.h"
#include "sums_s16.h"

struct midge_lstm_s16 {
    struct midge_lstm_shape shape;
    struct midge_sums_s16 inputs, recurrent;
    struct midge_lstm_cell cell;
};

MIDGE_KERNEL void midge_lstm_s16(
    const int16_t *x, int16_t *y, int16_t *hidden, int16_t *cell, const int8_t *inputs, const int8_t *recurrent,
    const struct midge_lstm_s16 *p) {
    const int32_t units = p->shape.units, features = p->shape.features;
    if (p->shape.anew) {
        for (int32_t i = 0; i < p->shape.sequences * units; i++) {
            hidden[i] = (int16_t)p->cell.y_zero;
        }
        MIDGE_FILL(cell, 0, p->shape.sequences * units * (int32_t)sizeof *cell);
    }
    for (int32_t r = 0; r < p->shape.sequences * p->shape.steps; r++) {
        const int32_t at = midge_lstm_sequence(r, &p->shape) * units;
        const int8_t *w = inputs, *v = recurrent;
        for (int32_t u = 0; u < units; u++) {
            int32_t gates[MIDGE_LSTM_GATES];
            for (int32_t gate = 0; gate < MIDGE_LSTM_GATES; gate++) {
                const int32_t place = MIDGE_LSTM_GATES * u + gate;
                const int64_t one = midge_bias_s16(&p->inputs, place) + midge_dot_s16(x, w, features, p->inputs.narrow);
                const int64_t two =
                    midge_bias_s16(&p->recurrent, place) + midge_dot_s16(hidden + at, v, units, p->recurrent.narrow);
                gates[gate] = midge_lstm_gate(
                    midge_finish_s16(one, gate, &p->inputs), midge_finish_s16(two, gate, &p->recurrent));
                w += features;
                v += units;
            }
            y[u] = (int16_t)midge_lstm_unit(gates, cell + at + u, &p->cell);
        }
        MIDGE_COPY(hidden + at, y, units * (int32_t)sizeof *y);
        x += features;
        y += units;
    }
}
