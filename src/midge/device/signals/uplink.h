/* The way up: every sample is coded and remembered for a while, what a suspicious beat lies in is kept in segments, and
   the rest is forgotten. midge/signals/uplink.py is the twin.

   After midge_uplink_init, for each sample midge_uplink_push, then midge_uplink_beat for each beat that is decided
   with that sample. Whenever there is a connection: midge_uplink_peek, send, midge_uplink_pop. */
#include "uplink_past.h"
#include "uplink_store.h"

#define MIDGE_UPLINK_MOST_PAYLOAD 15
#define MIDGE_UPLINK_MOST_AGE 32000 /* samples between a beat and its decision */
#define MIDGE_UPLINK_BEAT_BYTES 4   /* of a beat in a segment, in front of the payload */
#define MIDGE_UPLINK_MARK_BYTES 6   /* the same in the history, where its position is whole */

MIDGE_KERNEL void midge_uplink_init(
    struct midge_uplink *u, const struct midge_uplink_plan *plan, uint8_t *history, uint8_t *store) {
    MIDGE_FILL(u, 0, sizeof *u);
    u->plan = plan;
    u->past.bytes = history;
    u->past.capacity = plan->history_bytes;
    midge_store_init(&u->store, store, plan->store_bytes);
}

/* The oldest item, a block of so many bytes, leaves the history: for the store, or for ever. */
MIDGE_KERNEL void midge_uplink_leave_block(struct midge_uplink *u, int32_t size, uint8_t priority) {
    struct midge_store *s = &u->store;
    const uint32_t block = u->blocks - (uint32_t)u->past.blocks;
    const int32_t gap = (int32_t)(block - s->next);
    if (priority == 0) {
        if (gap >= u->plan->wait_blocks) {
            midge_store_close(s);
        }
        return;
    }
    if (gap > 0 || s->used - s->open >= u->plan->segment_bytes) {
        midge_store_close(s);
    }
    const int32_t needed = size + (s->open < 0 ? MIDGE_SEGMENT_HEAD : 0);
    const uint8_t highest = midge_store_open_priority(s) > priority ? midge_store_open_priority(s) : priority;
    if (!midge_store_reserve(s, needed, highest)) {
        midge_store_close(s);
        s->lost_items++;
        return;
    }
    if (s->open < 0) {
        uint8_t *samples = midge_store_begin(s, block, u->plan->payload_bytes);
        midge_past_get(&u->past, MIDGE_PAST_HEAD + size, samples, MIDGE_RICE_HISTORY_BYTES);
    }
    s->bytes[s->open + MIDGE_SEGMENT_PRIORITY] = highest;
    midge_past_get(&u->past, MIDGE_PAST_HEAD, s->bytes + s->used, size);
    midge_store_grow(s, size);
    s->next++;
}

/* The oldest item, a beat, leaves the history: for the open segment, if it is suspicious or lies before its end. */
MIDGE_KERNEL void midge_uplink_leave_beat(struct midge_uplink *u) {
    struct midge_store *s = &u->store;
    uint8_t mark[MIDGE_UPLINK_MARK_BYTES];
    midge_past_get(&u->past, MIDGE_PAST_HEAD, mark, MIDGE_UPLINK_MARK_BYTES);
    const uint32_t position = mark[1] | (uint32_t)mark[2] << 8 | (uint32_t)mark[3] << 16 | (uint32_t)mark[4] << 24;
    const uint8_t priority = mark[5];
    const int32_t age = (int32_t)(s->next * MIDGE_RICE_BLOCK - position);
    if (priority == 0 && (s->open < 0 || age <= 0)) {
        return;
    }
    const int32_t payload_bytes = u->plan->payload_bytes, size = MIDGE_UPLINK_BEAT_BYTES + payload_bytes;
    if (s->open < 0 || !midge_store_reserve(s, size, midge_store_open_priority(s))) {
        s->lost_items++;
        return;
    }
    uint8_t *item = s->bytes + s->used;
    item[0] = MIDGE_UPLINK_BEAT;
    midge_store_u16(item + 1, (uint16_t)age);
    item[3] = priority;
    const int32_t payload = MIDGE_PAST_HEAD + MIDGE_UPLINK_MARK_BYTES;
    midge_past_get(&u->past, payload, item + MIDGE_UPLINK_BEAT_BYTES, payload_bytes);
    midge_store_grow(s, size);
}

MIDGE_LAYER void midge_uplink_leave(struct midge_uplink *u) {
    const int32_t size = *midge_past_at(&u->past, 0);
    const uint8_t priority = *midge_past_at(&u->past, 1);
    if (midge_past_is_block(&u->past, 0)) {
        midge_uplink_leave_block(u, size - MIDGE_RICE_HISTORY_BYTES, priority);
    } else {
        midge_uplink_leave_beat(u);
    }
    midge_past_drop(&u->past);
}

/* Make room in the history for an item of that size. */
MIDGE_KERNEL void midge_uplink_make_room(struct midge_uplink *u, int32_t size) {
    while (u->past.capacity - u->past.used < size) {
        u->early_blocks += (uint32_t)midge_past_is_block(&u->past, 0);
        midge_uplink_leave(u);
    }
}

/* Is the sample at which the block after the finished ones begins to be kept? */
MIDGE_KERNEL int midge_uplink_keeps(const struct midge_uplink *u) {
    return u->keep_priority != 0 && (int32_t)(u->keep_until - u->blocks * MIDGE_RICE_BLOCK) >= 0;
}

MIDGE_LAYER void midge_uplink_finish_block(struct midge_uplink *u) {
    uint8_t item[MIDGE_PAST_HEAD + MIDGE_RICE_MOST_BYTES + MIDGE_RICE_HISTORY_BYTES];
    uint8_t history[MIDGE_RICE_HISTORY_BYTES];
    for (int32_t i = 0; i < MIDGE_RICE_HISTORY; i++) {
        midge_store_u16(history + 2 * i, (uint16_t)u->coder.samples[i]);
    }
    int32_t size = MIDGE_PAST_HEAD + midge_rice_write(&u->coder, item + MIDGE_PAST_HEAD);
    MIDGE_COPY(item + size, history, sizeof history);
    size += MIDGE_RICE_HISTORY_BYTES;
    item[0] = (uint8_t)(size - MIDGE_PAST_HEAD);
    u->keep_priority = midge_uplink_keeps(u) ? u->keep_priority : 0;
    item[1] = u->keep_priority;
    while (u->past.blocks >= u->plan->hold_blocks) {
        midge_uplink_leave(u);
    }
    midge_uplink_make_room(u, size);
    midge_past_put(&u->past, item, size);
    u->past.blocks++;
    u->blocks++;
}

/* Take the next sample. */
MIDGE_KERNEL void midge_uplink_push(struct midge_uplink *u, int16_t sample) {
    if (midge_rice_push(&u->coder, sample)) {
        midge_uplink_finish_block(u);
    }
}

/* How suspicious a beat is, from how far its margin lies under the limit: 1 to 255. */
MIDGE_KERNEL uint8_t midge_uplink_priority(int32_t margin, int32_t suspicious_below) {
    return (uint8_t)midge_min(midge_max(suspicious_below - margin, 1), UINT8_MAX);
}

/* Take a beat that was decided with the newest sample. `position`: the number of its sample, the first being 0.
   `priority`: how suspicious it is; 0: not at all. `payload`: what is sent with it. 0 if the beat is refused. */
MIDGE_LAYER int midge_uplink_beat(struct midge_uplink *u, uint32_t position, uint8_t priority, const uint8_t *payload) {
    const uint32_t now = u->blocks * MIDGE_RICE_BLOCK + (uint32_t)u->coder.count - 1;
    if (now - position > MIDGE_UPLINK_MOST_AGE) {
        u->refused_beats++;
        return 0;
    }
    if (priority > 0) {
        const uint32_t oldest = u->blocks - (uint32_t)u->past.blocks;
        const uint32_t from = position - (uint32_t)u->plan->before, until = position + (uint32_t)u->plan->after;
        midge_past_mark(&u->past, oldest, from, until, priority);
        if (!midge_uplink_keeps(u)) {
            u->keep_priority = priority;
            u->keep_until = until;
        } else {
            u->keep_priority = priority > u->keep_priority ? priority : u->keep_priority;
            u->keep_until = (int32_t)(until - u->keep_until) > 0 ? until : u->keep_until;
        }
    }
    uint8_t item[MIDGE_PAST_HEAD + MIDGE_UPLINK_MARK_BYTES + MIDGE_UPLINK_MOST_PAYLOAD];
    uint8_t *mark = item + MIDGE_PAST_HEAD;
    const int32_t size = MIDGE_PAST_HEAD + MIDGE_UPLINK_MARK_BYTES + u->plan->payload_bytes;
    item[0] = (uint8_t)(size - MIDGE_PAST_HEAD);
    item[1] = 0;
    mark[0] = MIDGE_UPLINK_BEAT;
    midge_store_u16(mark + 1, position);
    midge_store_u16(mark + 3, position >> 16);
    mark[5] = priority;
    for (int32_t i = 0; i < u->plan->payload_bytes; i++) {
        mark[MIDGE_UPLINK_MARK_BYTES + i] = payload[i];
    }
    midge_uplink_make_room(u, size);
    midge_past_put(&u->past, item, size);
    return 1;
}

/* Everything that is remembered goes to the store, or for ever: at the end of a recording. */
MIDGE_KERNEL void midge_uplink_finish(struct midge_uplink *u) {
    while (u->past.used > 0) {
        midge_uplink_leave(u);
    }
    midge_store_close(&u->store);
}

/* How many bytes the oldest closed segment has; 0: there is none. */
MIDGE_KERNEL int32_t midge_uplink_peek(const struct midge_uplink *u, const uint8_t **segment) {
    const struct midge_store *s = &u->store;
    *segment = s->bytes;
    return s->used > 0 && s->open != 0 ? midge_store_segment_bytes(s, 0) : 0;
}

/* It was sent. */
MIDGE_KERNEL void midge_uplink_pop(struct midge_uplink *u) { midge_store_remove(&u->store, 0); }
