/* Segments that wait for a connection, one behind the other in the caller's memory; midge/signals/uplink_segment.py
   says how a segment looks, midge/signals/uplink_store.py is the twin. The last segment may be open: it still grows.
   When there is no room, the oldest of the least suspicious closed segments goes, unless it is more suspicious than
   what comes. */
#include "units.h"
#include "uplink_state.h"

#define MIDGE_SEGMENT_HEAD 16
#define MIDGE_SEGMENT_VERSION 1
#define MIDGE_SEGMENT_CHECK 2    /* offsets of fields */
#define MIDGE_SEGMENT_KIND 4
#define MIDGE_SEGMENT_PRIORITY 5
#define MIDGE_SEGMENT_BLOCK 6
#define MIDGE_SEGMENT_HISTORY 10

MIDGE_KERNEL void midge_store_init(struct midge_store *s, uint8_t *bytes, int32_t capacity) {
    MIDGE_FILL(s, 0, sizeof *s);
    s->bytes = bytes;
    s->capacity = capacity;
    s->open = -1;
}

MIDGE_KERNEL void midge_store_u16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

MIDGE_KERNEL int32_t midge_store_segment_bytes(const struct midge_store *s, int32_t at) {
    return s->bytes[at] | s->bytes[at + 1] << 8;
}

/* CRC-16 with the polynomial 0x1021, the highest bit first. */
MIDGE_LAYER uint16_t midge_store_checked(uint16_t check, const uint8_t *bytes, int32_t size) {
    uint32_t crc = check;
#pragma GCC unroll 1
    for (int32_t i = 0; i < size; i++) {
        uint32_t x = (crc >> 8) ^ bytes[i];
        x ^= x >> 4;
        crc = ((crc << 8) ^ (x << 12) ^ (x << 5) ^ x) & 0xffff;
    }
    return (uint16_t)crc;
}

MIDGE_LAYER void midge_store_remove(struct midge_store *s, int32_t at) {
    const int32_t size = midge_store_segment_bytes(s, at);
    midge_copy_bytes_forward(s->bytes + at + size, s->bytes + at, s->used - at - size);
    s->used -= size;
    s->open -= s->open > at ? size : 0;
}

/* Make room; whether there is. */
MIDGE_LAYER int midge_store_reserve(struct midge_store *s, int32_t size, uint8_t priority) {
    while (s->capacity - s->used < size) {
        const int32_t end = s->open < 0 ? s->used : s->open;
        int32_t least = -1;
        uint8_t least_priority = priority;
        for (int32_t at = 0; at < end; at += midge_store_segment_bytes(s, at)) {
            const uint8_t its = s->bytes[at + MIDGE_SEGMENT_PRIORITY];
            if (its < least_priority || (its == least_priority && least < 0)) {
                least = at;
                least_priority = its;
            }
        }
        if (least < 0) {
            return 0;
        }
        midge_store_remove(s, least);
        s->dropped_segments++;
    }
    return 1;
}

/* Close the open segment, if there is one: its check covers its items, then the head without the check itself. */
MIDGE_LAYER void midge_store_close(struct midge_store *s) {
    if (s->open >= 0) {
        uint8_t *head = s->bytes + s->open;
        uint16_t check = midge_store_checked(s->check, head, MIDGE_SEGMENT_CHECK);
        check = midge_store_checked(check, head + MIDGE_SEGMENT_KIND, MIDGE_SEGMENT_HEAD - MIDGE_SEGMENT_KIND);
        midge_store_u16(head + MIDGE_SEGMENT_CHECK, check);
        s->open = -1;
    }
}

/* How suspicious the open segment is; 0: none is open. */
MIDGE_KERNEL uint8_t midge_store_open_priority(const struct midge_store *s) {
    return s->open < 0 ? 0 : s->bytes[s->open + MIDGE_SEGMENT_PRIORITY];
}

/* Begin a segment at the block of that number; there is room for the head. Where the samples in front of the block
   must be written. */
MIDGE_KERNEL uint8_t *midge_store_begin(struct midge_store *s, uint32_t block, int32_t payload_bytes) {
    uint8_t *head = s->bytes + s->used;
    head[MIDGE_SEGMENT_KIND] = (uint8_t)(MIDGE_SEGMENT_VERSION << 4 | payload_bytes);
    midge_store_u16(head + MIDGE_SEGMENT_BLOCK, block);
    midge_store_u16(head + MIDGE_SEGMENT_BLOCK + 2, block >> 16);
    s->open = s->used;
    s->used += MIDGE_SEGMENT_HEAD;
    s->next = block;
    s->check = 0xffff;
    return head + MIDGE_SEGMENT_HISTORY;
}

/* An item was written behind the open segment, and is part of it now. */
MIDGE_LAYER void midge_store_grow(struct midge_store *s, int32_t size) {
    s->check = midge_store_checked(s->check, s->bytes + s->used, size);
    s->used += size;
    midge_store_u16(s->bytes + s->open, (uint32_t)(s->used - s->open));
}
