/* What tiles of dot products share: bytes widened to pairs of halves, and how a tile is called. */
#include "dsp.h"

/* A generated tile: `x` is the first pixel's data, y takes its outputs and those of the next behind them; so many tiles
   follow one another. Some functions serve layers of any number of outputs. */
typedef void midge_dot_tile(
    const uint32_t *x, const uint32_t *stream, int8_t *y, const uint32_t *end, int32_t tiles, int32_t outputs);

/* The same with a table of where each segment of the window begins; it moves on with the tiles. */
typedef void midge_dot_window_tile(
    const uint32_t **x, const uint32_t *stream, int8_t *y, const uint32_t *end, int32_t tiles);

/* Generated: pixels of so many tiles, widened side by side. */
typedef void midge_dot_fill(const int8_t *x, uint32_t *columns, int32_t channels, int32_t tiles);

/* The stream, copied to `stage` unless this is NULL: where RAM is faster than flash. */
MIDGE_KERNEL const uint32_t *midge_stage(const uint32_t *stream, const uint32_t *end, uint32_t *stage) {
    if (stage == NULL) {
        return stream;
    }
    MIDGE_COPY(stage, stream, (size_t)(end - stream) * sizeof *stream);
    return stage;
}

/* Up to three bytes as a word, zeros behind them: nothing is read that is not there. */
MIDGE_KERNEL uint32_t midge_last_bytes(const int8_t *source, int32_t count) {
    uint32_t word = (uint8_t)source[0];
    if (count > 1) {
        word |= (uint32_t)(uint8_t)source[1] << 8;
    }
    if (count > 2) {
        word |= (uint32_t)(uint8_t)source[2] << 16;
    }
    return word;
}

/* The lower half of a, and the lower half of b above it. */
MIDGE_KERNEL uint32_t midge_pkhbt(uint32_t a, uint32_t b) {
    uint32_t result;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

/* The upper half of a, and the upper half of b below it. */
MIDGE_KERNEL uint32_t midge_pkhtb(uint32_t a, uint32_t b) {
    uint32_t result;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

/* Four bytes to two words, in the order 0 2 | 1 3, `apart` words from each other. */
MIDGE_KERNEL void midge_widen_four(uint32_t word, uint32_t *target, int32_t apart) {
    target[0] = midge_sxtb16(word);
    target[apart] = midge_sxtb16_ror8(word);
}

/* `count` bytes to halves in the order 0 2 | 1 3 of every four, filled up with zeros to a multiple of four; words
   stand `apart` from each other. */
MIDGE_KERNEL void midge_widen_pixel(const int8_t *source, int32_t count, uint32_t *target, int32_t apart) {
    const int32_t whole = count / 4 * 4;
    for (int32_t i = 0; i < whole; i += 4) {
        midge_widen_four(midge_load_u32(source + i), target, apart);
        target += 2 * apart;
    }
    if (whole < count) {
        midge_widen_four(midge_last_bytes(source + whole, count - whole), target, apart);
    }
}

/* `count` bytes to halves in their own order, at any address. */
MIDGE_KERNEL void midge_widen_row(const int8_t *source, int32_t count, uint8_t *target) {
    const int32_t whole = count / 4 * 4;
    for (int32_t i = 0; i < whole; i += 4) {
        const uint32_t word = midge_load_u32(source + i);
        const uint32_t even = midge_sxtb16(word), odd = midge_sxtb16_ror8(word);
        const uint32_t first = midge_pkhbt(even, odd), second = midge_pkhtb(odd, even);
        MIDGE_COPY(target, &first, sizeof first);
        MIDGE_COPY(target + 4, &second, sizeof second);
        target += 8;
    }
    for (int32_t i = whole; i < count; i++) {
        const int16_t half = source[i];
        MIDGE_COPY(target, &half, sizeof half);
        target += 2;
    }
}
