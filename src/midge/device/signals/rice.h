/* Lossless coding of 16-bit samples in blocks: fixed predictors of order 0 to 3 and Rice codes. midge/signals/rice.py
   is the twin and says how a block looks. */
#include "base.h"
#include "uplink_state.h"

#define MIDGE_RICE_HISTORY_BYTES (2 * MIDGE_RICE_HISTORY)
#define MIDGE_RICE_MOST_BYTES (1 + 2 * MIDGE_RICE_BLOCK)
#define MIDGE_RICE_MOST_PARAMETER 14
#define MIDGE_RICE_VERBATIM 0x0f
#define MIDGE_RICE_FLAT 0x1f

MIDGE_KERNEL void midge_rice_init(struct midge_rice *r) { MIDGE_FILL(r, 0, sizeof *r); }

/* 0, -1, 1, -2 ... -> 0, 1, 2, 3 ... */
MIDGE_KERNEL uint32_t midge_rice_natural(int32_t residual) {
    return residual < 0 ? ~((uint32_t)residual << 1) : (uint32_t)residual << 1;
}

/* The residuals of all orders at a sample that three others stand in front of; 19 bits and a sign at most. */
MIDGE_KERNEL void midge_rice_residuals(const int16_t *at, int32_t residuals[MIDGE_RICE_ORDERS]) {
    const int32_t newest = at[0] - at[-1], middle = at[-1] - at[-2], oldest = at[-2] - at[-3];
    residuals[0] = at[0];
    residuals[1] = newest;
    residuals[2] = newest - middle;
    residuals[3] = newest - 2 * middle + oldest;
}

/* Take a sample. Whether it fills the block, which must be written before the next one. */
MIDGE_KERNEL int midge_rice_push(struct midge_rice *r, int16_t sample) {
    int16_t *at = r->samples + MIDGE_RICE_HISTORY + r->count;
    int32_t residuals[MIDGE_RICE_ORDERS];
    *at = sample;
    midge_rice_residuals(at, residuals);
    for (int32_t order = 0; order < MIDGE_RICE_ORDERS; order++) {
        r->sums[order] += midge_rice_natural(residuals[order]);
    }
    r->count++;
    return r->count == MIDGE_RICE_BLOCK;
}

struct midge_bits {
    uint8_t *at;
    uint32_t word; /* its low `count` bits are not written yet */
    int32_t count; /* 0 to 7 between calls */
};

/* At most 24 bits. */
MIDGE_KERNEL void midge_put_bits(struct midge_bits *bits, uint32_t value, int32_t count) {
    bits->word = bits->word << count | value;
    bits->count += count;
    while (bits->count >= 8) {
        bits->count -= 8;
        *bits->at++ = (uint8_t)(bits->word >> bits->count);
    }
}

/* The codes of a block; where they end. */
MIDGE_KERNEL uint8_t *midge_rice_codes(const int16_t *samples, int32_t order, int32_t k, uint8_t *out) {
    struct midge_bits bits = {out, 0, 0};
    for (int32_t i = 0; i < MIDGE_RICE_BLOCK; i++) {
        int32_t residuals[MIDGE_RICE_ORDERS];
        midge_rice_residuals(samples + i, residuals);
        const uint32_t natural = midge_rice_natural(residuals[order]);
        uint32_t zeros = natural >> k;
        for (; zeros >= 8; zeros -= 8) {
            midge_put_bits(&bits, 0, 8);
        }
        /* A one in front of the low bits: at most 7 + 1 + 14 bits. */
        midge_put_bits(&bits, (1u << k) | (natural & ((1u << k) - 1)), (int32_t)zeros + 1 + k);
    }
    if (bits.count > 0) {
        midge_put_bits(&bits, 0, 8 - bits.count);
    }
    return bits.at;
}

/* Write the full block to `out`, of MIDGE_RICE_MOST_BYTES, and begin the next. How many bytes it took. */
MIDGE_LAYER int32_t midge_rice_write(struct midge_rice *r, uint8_t *out) {
    const int16_t *samples = r->samples + MIDGE_RICE_HISTORY;
    int32_t order = 0;
    for (int32_t other = 1; other < MIDGE_RICE_ORDERS; other++) {
        order = r->sums[other] < r->sums[order] ? other : order;
    }
    const uint32_t sum = r->sums[order];
    int32_t k = 0;
    while (k < MIDGE_RICE_MOST_PARAMETER && (uint32_t)MIDGE_RICE_BLOCK << k <= (sum * 9) >> 4) {
        k++;
    }
    uint8_t *end = out + 1;
    if (r->sums[1] == 0) {
        *out = MIDGE_RICE_FLAT;
    } else if ((sum >> k) + MIDGE_RICE_BLOCK * (uint32_t)(k + 1) >= 16 * MIDGE_RICE_BLOCK) {
        *out = MIDGE_RICE_VERBATIM;
        for (int32_t i = 0; i < MIDGE_RICE_BLOCK; i++) {
            *end++ = (uint8_t)samples[i];
            *end++ = (uint8_t)((uint16_t)samples[i] >> 8);
        }
    } else {
        *out = (uint8_t)(order << 4 | k);
        end = midge_rice_codes(samples, order, k, end);
    }
    MIDGE_COPY(r->samples, r->samples + MIDGE_RICE_BLOCK, MIDGE_RICE_HISTORY_BYTES);
    MIDGE_FILL(r->sums, 0, sizeof r->sums);
    r->count = 0;
    return (int32_t)(end - out);
}
