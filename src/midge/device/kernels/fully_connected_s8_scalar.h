/* fully_connected, int8, row by row, two outputs at a time, whose weights share a word: two products a
   multiplication.
   weights: for each pair of outputs its taps in the order of `places`, two to a word (tiles/blocks.py).
   places [features]: the word of the column for each feature.
   column: scratch, `column_words` words, then the outputs, rounded up to an even number.
   A row is read before its outputs are written. */
#include "scalar_blocks.h"
#include "scalar_stairs.h"

struct midge_fully_connected_scalar {
    int32_t rows, features, outputs, column_words;
    int32_t weight_words; /* of a pair of outputs */
    struct midge_blocks blocks;
    struct midge_stairs stairs; /* of an even number of outputs */
};

/* All outputs of a row, in assembly; NULL where C does as well. An argument, not a field: so compilers see that it is
   a constant. */
typedef void midge_paired_tile(
    const uint32_t *column, const uint32_t *weights, const uint32_t *channels, int8_t *y);

/* A block of `taps` for `count` pairs of outputs, `stride` words of weights apart; all three are constants. */
MIDGE_KERNEL void midge_paired_block(
    const uint32_t *column, const uint32_t *weights, int32_t taps, int32_t count, int32_t stride,
    struct midge_block_sums *s) {
#pragma GCC unroll 4
    for (int32_t t = 0; t < count; t++) {
        s->block[t] = column[0];
    }
    for (int32_t i = 0; i < taps; i += 2) {
        const uint32_t x0 = column[i + 1], x1 = column[i + 2];
#pragma GCC unroll 4
        for (int32_t t = 0; t < count; t++) {
            const uint32_t w = weights[t * stride + i / 2];
            s->block[t] += w * x0;
            s->block[t] += (w >> 8 & 0xFF00FFu) * x1;
            MIDGE_IN_REGISTER(s->block[t]);
        }
    }
    midge_end_block(s, count);
}

MIDGE_KERNEL void midge_paired_outputs(
    const uint32_t *column, const uint32_t *weights, int32_t first, int32_t count, int8_t *y,
    const struct midge_fully_connected_scalar *p) {
    const int32_t stride = p->weight_words;
    struct midge_block_sums s;
    weights += first / 2 * stride;
    midge_begin_sums(&s, count, &p->blocks);
    for (int32_t i = 0; i < p->blocks.eights; i++) {
        midge_paired_block(column, weights, 8, count, stride, &s);
        column += 9;
        weights += 4;
    }
    for (int32_t i = 0; i < p->blocks.fours; i++) {
        midge_paired_block(column, weights, 4, count, stride, &s);
        column += 5;
        weights += 2;
    }
    for (int32_t i = 0; i < p->blocks.twos; i++) {
        midge_paired_block(column, weights, 2, count, stride, &s);
        column += 3;
        weights += 1;
    }
    midge_end_sums(&s, count);
#pragma GCC unroll 4
    for (int32_t t = 0; t < count; t++) {
        const int32_t o = first + 2 * t;
        y[o] = midge_climb(s.low[t], o, &p->stairs);
        y[o + 1] = midge_climb(s.high[t], o + 1, &p->stairs);
    }
}

/* All outputs of a row whose column is filled; y has room for an even number. */
MIDGE_KERNEL void midge_paired_row(
    const uint32_t *column, const uint32_t *weights, int8_t *y, midge_paired_tile *tile,
    const struct midge_fully_connected_scalar *p) {
    if (tile != NULL) {
        tile(column, weights, p->stairs.channels, y);
        return;
    }
    int32_t o = 0;
    for (; o + 4 <= p->outputs; o += 4) {
        midge_paired_outputs(column, weights, o, 2, y, p);
    }
    for (; o < p->outputs; o += 2) {
        midge_paired_outputs(column, weights, o, 1, y, p);
    }
}

MIDGE_KERNEL void midge_fully_connected_s8_scalar(
    const int8_t *x, int8_t *y, const uint32_t *weights, const uint16_t *places, uint32_t *column,
    midge_paired_tile *tile, const struct midge_fully_connected_scalar *p) {
    int8_t *spare = (int8_t *)(column + p->column_words);
    for (int32_t r = 0; r < p->rows; r++) {
        for (int32_t k = 0; k < p->features; k++) {
            column[places[k]] = (uint32_t)x[k];
        }
        midge_finish_column(column, &p->blocks, 1);
        if (p->outputs % 2 == 0) {
            midge_paired_row(column, weights, y, tile, p);
        } else {
            midge_paired_row(column, weights, spare, tile, p);
            MIDGE_COPY(y, spare, p->outputs);
        }
        x += p->features;
        y += p->outputs;
    }
}
