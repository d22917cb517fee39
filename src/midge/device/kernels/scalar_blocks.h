/* Two sums a multiplication, on cores without SIMD: tiles/blocks.py says how taps and weights stand, and proves that
   the sums of a block fit 16 bits.
   column: for every block of 8, 4 or 2 taps a word of correction, then a word for each tap. Where the number of taps is
   odd, the last one has no weight: any value stands there. */
#include "base.h"

/* An empty statement that has a value computed before the next of its kind: otherwise compilers load far ahead, and
   spill the sums. */
#define MIDGE_IN_REGISTER(value) __asm__ volatile("" : "+r"(value))

struct midge_blocks {
    int32_t eights, fours, twos; /* blocks of so many taps, in this order */
};

MIDGE_KERNEL int32_t midge_blocks_number(const struct midge_blocks *b) { return b->eights + b->fours + b->twos; }

/* Write a block's correction, and make each tap cancel the bytes that the one before leaves in the weights' word.
   run: taps whose weights share a word. pair: 1: one pixel, both halves of the sum are of it. */
MIDGE_KERNEL uint32_t *midge_finish_block(uint32_t *block, int32_t taps, int32_t run, int pair) {
    uint32_t sum = 0;
    for (int32_t i = 1; i <= taps; i += run) {
        uint32_t last = block[i];
        sum += last;
        for (int32_t j = 1; j < run; j++) {
            const uint32_t next = block[i + j];
            block[i + j] = next - (last << 8);
            last = next;
            sum += next;
        }
    }
    /* Weights are stored 128 too large; 0x8000 lets the arithmetic shift by 16 round the lower sum away. */
    block[0] = 0x8000u - (sum << 7) - (pair ? sum << 23 : 0u);
    return block + 1 + taps;
}

MIDGE_KERNEL void midge_finish_column(uint32_t *column, const struct midge_blocks *b, int pair) {
    for (int32_t i = 0; i < b->eights; i++) {
        column = midge_finish_block(column, 8, pair ? 2 : 4, pair);
    }
    for (int32_t i = 0; i < b->fours; i++) {
        column = midge_finish_block(column, 4, pair ? 2 : 4, pair);
    }
    for (int32_t i = 0; i < b->twos; i++) {
        column = midge_finish_block(column, 2, 2, pair);
    }
}

/* A block of `taps` of two pixels, finished, whose taps stand `offsets` from `first` and from `second` on. */
MIDGE_KERNEL void midge_read_block(
    const int8_t *first, const int8_t *second, const uint16_t *offsets, uint32_t *block, int32_t taps) {
    uint32_t sum = 0, last = 0;
    for (int32_t i = 0; i < taps; i++) {
        const uint32_t x = (uint32_t)first[offsets[i]] + ((uint32_t)second[offsets[i]] << 16);
        block[1 + i] = i % 4 == 0 ? x : x - (last << 8);
        last = x;
        sum += x;
    }
    block[0] = 0x8000u - (sum << 7);
}

MIDGE_KERNEL void midge_read_column(
    const int8_t *first, const int8_t *second, const uint16_t *offsets, uint32_t *column,
    const struct midge_blocks *b) {
    for (int32_t i = 0; i < b->eights; i++) {
        midge_read_block(first, second, offsets, column, 8);
        offsets += 8;
        column += 9;
    }
    for (int32_t i = 0; i < b->fours; i++) {
        midge_read_block(first, second, offsets, column, 4);
        offsets += 4;
        column += 5;
    }
    for (int32_t i = 0; i < b->twos; i++) {
        midge_read_block(first, second, offsets, column, 2);
        offsets += 2;
        column += 3;
    }
}

/* Sums of the lower and the upper halves, of as many outputs as `count`, which is a constant. */
struct midge_block_sums {
    uint32_t low[4], high[4], block[4];
};

MIDGE_KERNEL void midge_begin_sums(struct midge_block_sums *s, int32_t count, const struct midge_blocks *b) {
#pragma GCC unroll 4
    for (int32_t t = 0; t < count; t++) {
        s->low[t] = 0u - 0x8000u * (uint32_t)midge_blocks_number(b);
        s->high[t] = 0;
    }
}

MIDGE_KERNEL void midge_end_block(struct midge_block_sums *s, int32_t count) {
#pragma GCC unroll 4
    for (int32_t t = 0; t < count; t++) {
        s->low[t] += s->block[t];
        s->high[t] += (uint32_t)((int32_t)s->block[t] >> 16);
        MIDGE_IN_REGISTER(s->high[t]);
    }
}

/* Until here `low` was the sum of whole words. */
MIDGE_KERNEL void midge_end_sums(struct midge_block_sums *s, int32_t count) {
#pragma GCC unroll 4
    for (int32_t t = 0; t < count; t++) {
        s->low[t] -= s->high[t] << 16;
    }
}
