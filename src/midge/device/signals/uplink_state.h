/* The memory of the uplink, for a caller's struct; rice.h, uplink_past.h, uplink_store.h and uplink.h work on it. */
#include <stdint.h>

#define MIDGE_RICE_BLOCK 64
#define MIDGE_RICE_ORDERS 4
#define MIDGE_RICE_HISTORY (MIDGE_RICE_ORDERS - 1)

struct midge_rice {
    int16_t samples[MIDGE_RICE_HISTORY + MIDGE_RICE_BLOCK]; /* the history, then the block */
    int32_t count;                                          /* samples of the block so far */
    uint32_t sums[MIDGE_RICE_ORDERS];                       /* of the naturals of each order; below 2^25 */
};

struct midge_past {
    uint8_t *bytes;
    int32_t capacity;
    int32_t first; /* where the oldest item begins */
    int32_t used;
    int32_t blocks; /* how many of the items are blocks */
};

struct midge_store {
    uint8_t *bytes;
    int32_t capacity;
    int32_t used;
    int32_t open;              /* where the open segment begins, or -1 */
    uint32_t next;             /* number of the block that would continue it */
    uint16_t check;            /* of its items */
    uint32_t dropped_segments; /* that made room for others */
    uint32_t lost_items;       /* blocks and suspicious beats that found no room or no segment */
};

struct midge_uplink_plan {
    int32_t before, after; /* samples that are kept on either side of a suspicious beat */
    int32_t hold_blocks;   /* blocks in the history, at least 1 */
    int32_t wait_blocks;   /* a segment stays open so long, for beats that are decided late */
    int32_t history_bytes; /* at least the largest item of the history */
    int32_t store_bytes;   /* at most 65535 */
    int32_t segment_bytes; /* a segment that has as many takes no further block */
    int32_t payload_bytes; /* of a beat, at most MIDGE_UPLINK_MOST_PAYLOAD */
};

struct midge_uplink {
    const struct midge_uplink_plan *plan;
    struct midge_rice coder;
    struct midge_past past;
    struct midge_store store;
    uint32_t blocks;        /* finished so far; their numbers wrap around with those of the samples */
    uint32_t keep_until;    /* the last sample that is to be kept, where keep_priority is not 0 */
    uint8_t keep_priority;  /* of the samples to come; 0: they are not to be kept */
    uint32_t early_blocks;  /* that left the history before their time, because the signal takes too many bytes */
    uint32_t refused_beats; /* that lie in the future or more than MIDGE_UPLINK_MOST_AGE samples in the past */
};
