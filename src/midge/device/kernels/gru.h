/* gru, quantised: what the types of its input share. Gates stand in the order reset, update, new.
   The hidden state is int16 in Q0.15 whatever x is: what changes slowly would stand still in int8. */
#include "clamp.h"
#include "int16_tables.h"
#include "requantize.h"

enum midge_gru_start {
    MIDGE_GRU_KEPT,  /* the state as the run before left it */
    MIDGE_GRU_ZEROS, /* every run starts anew */
    MIDGE_GRU_GIVEN  /* from `initial` */
};

/* Rows of x and y stand in the order of their steps and sequences. */
struct midge_gru {
    int32_t sequences, steps, features, units;
    int32_t time_major; /* 1: a step's sequences stand side by side; 0: a sequence's steps do */
    int linear_before_reset;
    enum midge_gru_start start;
    struct midge_factors inputs, recurrent; /* a channel is a row of the weights; to steps of 1/12288 */
    struct midge_factors output;            /* from Q0.15 */
    int32_t y_zero;
};

MIDGE_KERNEL int32_t midge_gru_sequence(int32_t row, const struct midge_gru *p) {
    return p->time_major ? row % p->sequences : row / p->steps;
}

/* Brings the hidden states [sequences][units], of `size` bytes, to what a run starts from. */
MIDGE_KERNEL void midge_gru_begin(void *hidden, const void *initial, int32_t size, enum midge_gru_start start) {
    if (start == MIDGE_GRU_ZEROS) {
        MIDGE_FILL(hidden, 0, size);
    } else if (start == MIDGE_GRU_GIVEN) {
        MIDGE_COPY(hidden, initial, size);
    }
}

/* a * b / 2^15, rounded, halves up; a is at least 0 and under 2^15, |b| under 2^16. */
MIDGE_KERNEL int32_t midge_gru_product(int32_t a, int32_t b) { return (a * b + (1 << 14)) >> 15; }

/* The sum over the hidden state, or what the reset gate leaves of it, for one row of the weights. */
MIDGE_KERNEL int32_t midge_gru_recurrent(
    const int16_t *hidden, const int8_t *recurrent, const int32_t *bias, int32_t row, const struct midge_gru *p) {
    const int8_t *w = recurrent + row * p->units;
    int32_t sum = bias != NULL ? bias[row] : 0;
    for (int32_t k = 0; k < p->units; k++) {
        sum += hidden[k] * w[k];
    }
    return midge_rescale(sum, midge_factor_of(&p->recurrent, row), &p->recurrent);
}

/* One unit's hidden state, from what its gates are taken of. */
MIDGE_KERNEL int16_t midge_gru_unit(int32_t update, int32_t argument, int32_t hidden) {
    const int32_t new = midge_tanh_q15(argument);
    return (int16_t)(new + midge_gru_product(update, hidden - new));
}
