/* lstm, int8 with a cell of int16, with SMLAD: two gates at a time.
   inputs, recurrent: for each unit its input and forget gate, then its cell and output gate, as pairs of outputs in
   fully_connected_s8_dsp.h; bias and offset as in lstm_s8.h.
   rows: scratch of `padded_features` and `padded_units` halves. A row of x, and the hidden state, are widened before
   its row of y is written. */
#include "fully_connected_s8_dsp.h"
#include "lstm_s8.h"

struct midge_lstm_dsp {
    int32_t padded_features, padded_units; /* multiples of 4 */
    struct midge_lstm_s8 lstm;
};

/* Two gates' sums over a widened row; packed moves on. */
MIDGE_KERNEL void midge_lstm_pair(
    const uint32_t *row, int32_t padded, const int8_t **packed, int32_t *s0, int32_t *s1) {
    const uint32_t *column = row, *end = row + padded / 2;
    do {
        midge_tile_1x2(&column, packed, s0, s1);
    } while (column != end);
}

MIDGE_KERNEL void midge_lstm_s8_dsp(
    const int8_t *x, int8_t *y, int8_t *hidden, int16_t *cell, const int8_t *inputs, const int8_t *recurrent,
    const int32_t *bias, const int32_t *offset, uint32_t *rows, const struct midge_lstm_dsp *dsp) {
    const struct midge_lstm_s8 *p = &dsp->lstm;
    const int32_t units = p->shape.units;
    uint32_t *before = rows + dsp->padded_features / 2;
    if (p->shape.anew) {
        MIDGE_FILL(hidden, p->cell.y_zero, p->shape.sequences * units);
        MIDGE_FILL(cell, 0, p->shape.sequences * units * (int32_t)sizeof *cell);
    }
    for (int32_t r = 0; r < p->shape.sequences * p->shape.steps; r++) {
        const int32_t at = midge_lstm_sequence(r, &p->shape) * units;
        const int8_t *w = inputs, *v = recurrent;
        midge_widen_row_s8(x, p->shape.features, rows);
        midge_widen_row_s8(hidden + at, units, before);
        for (int32_t u = 0; u < units; u++) {
            int32_t gates[MIDGE_LSTM_GATES];
            for (int32_t gate = 0; gate < MIDGE_LSTM_GATES; gate += 2) {
                const int32_t place = MIDGE_LSTM_GATES * u + gate;
                int32_t one0 = bias[place], one1 = bias[place + 1];
                int32_t two0 = offset[place], two1 = offset[place + 1];
                midge_lstm_pair(rows, dsp->padded_features, &w, &one0, &one1);
                midge_lstm_pair(before, dsp->padded_units, &v, &two0, &two1);
                gates[gate] = midge_lstm_gate(
                    midge_rescale(one0, midge_factor_of(&p->inputs, gate), &p->inputs),
                    midge_rescale(two0, midge_factor_of(&p->recurrent, gate), &p->recurrent));
                gates[gate + 1] = midge_lstm_gate(
                    midge_rescale(one1, midge_factor_of(&p->inputs, gate + 1), &p->inputs),
                    midge_rescale(two1, midge_factor_of(&p->recurrent, gate + 1), &p->recurrent));
            }
            y[u] = (int8_t)midge_lstm_unit(gates, cell + at + u, &p->cell);
        }
        MIDGE_COPY(hidden + at, y, units);
        x += p->shape.features;
        y += units;
    }
}
