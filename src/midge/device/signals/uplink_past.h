/* What a device remembers of the recent past until it is known whether it is worth keeping: a ring of items in the
   caller's memory. An item is a head of two bytes, how many bytes follow and how suspicious they are (0: not at all),
   and then either a block in the bytes of rice.h and the three samples in front of it, or a beat, whose first byte
   is MIDGE_UPLINK_BEAT. */
#include "rice.h"

#define MIDGE_UPLINK_BEAT 0x2f
#define MIDGE_PAST_HEAD 2

/* The byte that stands `offset` bytes behind the first; offset <= capacity. */
MIDGE_KERNEL uint8_t *midge_past_at(const struct midge_past *past, int32_t offset) {
    const int32_t at = past->first + offset;
    return past->bytes + (at < past->capacity ? at : at - past->capacity);
}

MIDGE_KERNEL int32_t midge_past_item_bytes(const struct midge_past *past, int32_t offset) {
    return MIDGE_PAST_HEAD + *midge_past_at(past, offset);
}

MIDGE_KERNEL int midge_past_is_block(const struct midge_past *past, int32_t offset) {
    return *midge_past_at(past, offset + MIDGE_PAST_HEAD) != MIDGE_UPLINK_BEAT;
}

/* Put bytes behind the newest item; there is room for them. */
MIDGE_LAYER void midge_past_put(struct midge_past *past, const uint8_t *source, int32_t size) {
#pragma GCC unroll 1
    for (int32_t i = 0; i < size; i++) {
        *midge_past_at(past, past->used + i) = source[i];
    }
    past->used += size;
}

/* Read bytes out of the ring. */
MIDGE_LAYER void midge_past_get(const struct midge_past *past, int32_t offset, uint8_t *target, int32_t size) {
#pragma GCC unroll 1
    for (int32_t i = 0; i < size; i++) {
        target[i] = *midge_past_at(past, offset + i);
    }
}

/* Forget the oldest item. */
MIDGE_KERNEL void midge_past_drop(struct midge_past *past) {
    const int32_t size = midge_past_item_bytes(past, 0);
    past->blocks -= midge_past_is_block(past, 0);
    past->first = (int32_t)(midge_past_at(past, size) - past->bytes);
    past->used -= size;
}

/* Blocks of which a sample lies within first..last are at least so suspicious. Positions wrap around; `block` is the
   number of the oldest block. */
MIDGE_LAYER void midge_past_mark(
    const struct midge_past *past, uint32_t block, uint32_t first, uint32_t last, uint8_t priority) {
    for (int32_t offset = 0; offset < past->used; offset += midge_past_item_bytes(past, offset)) {
        if (!midge_past_is_block(past, offset)) {
            continue;
        }
        const uint32_t start = block * MIDGE_RICE_BLOCK;
        const uint32_t end = start + (MIDGE_RICE_BLOCK - 1);
        uint8_t *mark = midge_past_at(past, offset + 1);
        if ((int32_t)(last - start) >= 0 && (int32_t)(end - first) >= 0 && *mark < priority) {
            *mark = priority;
        }
        block++;
    }
}
