/* Whether there is a signal at all. The twin is midge/signals/quality.py. */
#include "signal.h"

#define MIDGE_QUALITY_FLAT 1u
#define MIDGE_QUALITY_SATURATED 2u

struct midge_quality_rules {
    int32_t flat_range;
    int16_t low_rail;
    int16_t high_rail;
    uint16_t block;
    uint16_t rail_samples;
};

MIDGE_SIGNAL void midge_quality_end_block(struct midge_quality *quality, const struct midge_quality_rules *rules) {
    quality->low[quality->at] = quality->block_low;
    quality->high[quality->at] = quality->block_high;
    quality->railed[quality->at] = quality->block_railed;
    quality->at = (uint8_t)((quality->at + 1u) % MIDGE_QUALITY_BLOCKS);
    quality->blocks = (uint8_t)(quality->blocks + (quality->blocks < MIDGE_QUALITY_BLOCKS));
    int32_t low = INT16_MAX, high = INT16_MIN;
    uint32_t railed = 0;
    for (int32_t k = 0; k < quality->blocks; k++) {
        low = midge_min(low, quality->low[k]);
        high = midge_max(high, quality->high[k]);
        railed += quality->railed[k];
    }
    const int flat = quality->blocks == MIDGE_QUALITY_BLOCKS && high - low < rules->flat_range;
    quality->state = (uint8_t)((flat ? MIDGE_QUALITY_FLAT : 0u) |
                               (railed >= rules->rail_samples ? MIDGE_QUALITY_SATURATED : 0u));
    quality->filled = 0;
    quality->block_railed = 0;
}

/* One raw sample. Returns whether a block has ended: then the state is new. */
MIDGE_KERNEL int midge_quality_push(struct midge_quality *quality, const struct midge_quality_rules *rules,
                                    int16_t sample) {
    if (quality->filled == 0u || sample < quality->block_low) {
        quality->block_low = sample;
    }
    if (quality->filled == 0u || sample > quality->block_high) {
        quality->block_high = sample;
    }
    quality->block_railed =
        (uint16_t)(quality->block_railed + (sample <= rules->low_rail || sample >= rules->high_rail));
    if (++quality->filled < rules->block) {
        return 0;
    }
    midge_quality_end_block(quality, rules);
    return 1;
}
