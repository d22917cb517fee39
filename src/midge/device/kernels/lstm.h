/* lstm, quantised: what the types of its input share. Gates stand in the order input, forget, cell, output. */
#include "clamp.h"
#include "int16_tables.h"
#include "requantize.h"

#define MIDGE_LSTM_GATES 4

/* Rows of x and y stand in the order of their steps and sequences. */
struct midge_lstm_shape {
    int32_t sequences, steps, features, units;
    int32_t time_major; /* 1: a step's sequences stand side by side; 0: a sequence's steps do */
    int32_t anew;       /* 1: every run starts from zeros; 0: from what the last one left */
};

struct midge_lstm_cell {
    struct midge_factors forget, update, output;
    int32_t clips, clip; /* 1: the cell is held in [-clip, clip] */
    int32_t tanh_multiplier, tanh_shift; /* cell * multiplier / 2^shift is tanh's argument, in 1/12288 */
    int32_t y_zero, low, high;
};

MIDGE_KERNEL int32_t midge_lstm_sequence(int32_t row, const struct midge_lstm_shape *p) {
    return p->time_major ? row % p->sequences : row / p->steps;
}

MIDGE_KERNEL int32_t midge_saturate_s16(int32_t value) { return midge_clamp_s16(value, -32768, 32767); }

/* A gate in Q3.12 from its two rescaled sums. */
MIDGE_KERNEL int32_t midge_lstm_gate(int32_t input, int32_t recurrent) {
    return midge_saturate_s16(midge_saturate_s16(input) + midge_saturate_s16(recurrent));
}

MIDGE_KERNEL int32_t midge_lstm_product(int32_t a, int32_t b, const struct midge_factors *factors) {
    return midge_rescale(a * b, midge_factor_of(factors, 0), factors);
}

/* One unit: moves its cell on, and returns its hidden state. */
MIDGE_KERNEL int32_t midge_lstm_unit(const int32_t *gates, int16_t *cell, const struct midge_lstm_cell *p) {
    const int32_t input = midge_sigmoid_q15(3 * gates[0]), forget = midge_sigmoid_q15(3 * gates[1]);
    const int32_t update = midge_tanh_q15(3 * gates[2]), output = midge_sigmoid_q15(3 * gates[3]);
    const int32_t old = midge_saturate_s16(midge_lstm_product(forget, *cell, &p->forget));
    const int32_t new = midge_saturate_s16(midge_lstm_product(input, update, &p->update));
    int32_t kept = midge_saturate_s16(old + new);
    if (p->clips) {
        kept = midge_min(midge_max(kept, -p->clip), p->clip);
    }
    *cell = (int16_t)kept;
    const int32_t half = (1 << p->tanh_shift) >> 1;
    const int32_t squashed = midge_tanh_q15((kept * p->tanh_multiplier + half) >> p->tanh_shift);
    const int32_t result = midge_lstm_product(squashed, output, &p->output) + p->y_zero;
    return midge_min(midge_max(result, p->low), p->high);
}
