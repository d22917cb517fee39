/* gru, int8 with a hidden state of int16, with SMLAD: two rows of the weights at a time.
   gate_weights, gate_recurrent: for each unit its reset and its update row, as pairs of outputs in
   fully_connected_s8_dsp.h; new_weights, new_recurrent: the rows of two units. bias and recurrent_bias as in gru_s8.h.
   work: scratch of padded_features and padded_units halves, then of two a unit.
   A row of x is read wholly before its row of y is written. */
#include "fully_connected_s8_dsp.h"
#include "gru.h"

struct midge_gru_dsp {
    int32_t padded_features, padded_units; /* multiples of 4 */
    struct midge_gru gru;
};

/* Halves in the order of a widened row, 0 2 | 1 3, filled up with zeros to a multiple of 4. */
MIDGE_KERNEL void midge_gru_pack(const int16_t *x, int32_t count, int16_t *row) {
    int32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        row[i] = x[i];
        row[i + 1] = x[i + 2];
        row[i + 2] = x[i + 1];
        row[i + 3] = x[i + 3];
    }
    if (i < count) {
        row[i] = x[i];
        row[i + 1] = i + 2 < count ? x[i + 2] : 0;
        row[i + 2] = i + 1 < count ? x[i + 1] : 0;
        row[i + 3] = 0;
    }
}

/* Adds the products of two rows of the weights to their sums; packed moves on. */
MIDGE_KERNEL void midge_gru_pair(const uint32_t *row, int32_t padded, const int8_t **packed, int32_t *sums) {
    const uint32_t *column = row, *end = row + padded / 2;
    do {
        midge_tile_1x2(&column, packed, &sums[0], &sums[1]);
    } while (column != end);
}

MIDGE_KERNEL void midge_gru_s8_dsp(
    const int8_t *x, int8_t *y, int16_t *hidden, const int16_t *initial, int16_t *work, const int8_t *gate_weights,
    const int8_t *new_weights, const int8_t *gate_recurrent, const int8_t *new_recurrent, const int32_t *bias,
    const int32_t *recurrent_bias, const struct midge_gru_dsp *dsp) {
    const struct midge_gru *p = &dsp->gru;
    const int32_t units = p->units;
    uint32_t *row = (uint32_t *)(void *)work, *before = row + dsp->padded_features / 2;
    int16_t *resets = (int16_t *)(void *)(before + dsp->padded_units / 2), *updates = resets + units;
    midge_gru_begin(hidden, initial, p->sequences * units * (int32_t)sizeof *hidden, p->start);
    for (int32_t r = 0; r < p->sequences * p->steps; r++) {
        int16_t *h = hidden + midge_gru_sequence(r, p) * units;
        const int8_t *w = gate_weights, *v = gate_recurrent;
        midge_widen_row_s8(x, p->features, row);
        midge_gru_pack(h, units, (int16_t *)(void *)before);
        for (int32_t u = 0; u < units; u++) {
            int32_t inputs[2], recurrents[2], gates[2];
            for (int32_t gate = 0; gate < 2; gate++) {
                inputs[gate] = bias[gate * units + u];
                recurrents[gate] = recurrent_bias != NULL ? recurrent_bias[gate * units + u] : 0;
            }
            midge_gru_pair(row, dsp->padded_features, &w, inputs);
            midge_gru_pair(before, dsp->padded_units, &v, recurrents);
            for (int32_t gate = 0; gate < 2; gate++) {
                const int32_t at = gate * units + u;
                gates[gate] = midge_sigmoid_q15(
                    midge_rescale(inputs[gate], midge_factor_of(&p->inputs, at), &p->inputs) +
                    midge_rescale(recurrents[gate], midge_factor_of(&p->recurrent, at), &p->recurrent));
            }
            resets[u] = (int16_t)(p->linear_before_reset ? gates[0] : midge_gru_product(gates[0], h[u]));
            updates[u] = (int16_t)gates[1];
        }
        if (!p->linear_before_reset) {
            midge_gru_pack(resets, units, (int16_t *)(void *)before);
        }
        w = new_weights;
        v = new_recurrent;
        for (int32_t u = 0; u < units; u += 2) {
            const int32_t count = midge_min(units - u, 2);
            int32_t inputs[2] = {0, 0}, recurrents[2] = {0, 0};
            for (int32_t k = 0; k < count; k++) {
                inputs[k] = bias[2 * units + u + k];
                recurrents[k] = recurrent_bias != NULL ? recurrent_bias[2 * units + u + k] : 0;
            }
            midge_gru_pair(row, dsp->padded_features, &w, inputs);
            midge_gru_pair(before, dsp->padded_units, &v, recurrents);
            for (int32_t k = 0; k < count; k++) {
                const int32_t at = 2 * units + u + k;
                int32_t left = midge_rescale(recurrents[k], midge_factor_of(&p->recurrent, at), &p->recurrent);
                if (p->linear_before_reset) {
                    left = (int32_t)(((int64_t)resets[u + k] * left + (1 << 14)) >> 15);
                }
                left += midge_rescale(inputs[k], midge_factor_of(&p->inputs, at), &p->inputs);
                h[u + k] = midge_gru_unit(updates[u + k], left, h[u + k]);
            }
        }
        for (int32_t u = 0; u < units; u++) {
            const int32_t scaled = midge_rescale(h[u], midge_factor_of(&p->output, 0), &p->output) + p->y_zero;
            y[u] = midge_clamp_s8(scaled, INT8_MIN, INT8_MAX);
        }
        x += p->features;
        y += units;
    }
}
