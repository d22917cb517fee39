/* Requantisation by a line under a staircase: tiles/staircase.py proves it for every sum of the layer.
   Two multiplications of 32 bits, no 64-bit product. */
#include "base.h"

struct midge_stairs {
    const uint32_t *channels; /* for each channel its bias less the least sum that counts, then, if `each`, its line */
    int each;                 /* 1: every channel has a line of its own; 0: `one` serves all */
    int bent;                 /* 1: lines have five words, else three */
    int32_t part_bits;        /* of line[0], which holds the span of sums above them */
    uint32_t one[5];          /* span and part, whole, offset, bend, what to add below it */
};

/* Words of a channel. */
MIDGE_KERNEL int32_t midge_stairs_words(const struct midge_stairs *p) { return p->each ? (p->bent ? 6 : 4) : 1; }

/* The output of channel `channel` for a sum without its bias. */
MIDGE_KERNEL int8_t midge_climb(uint32_t sum, int32_t channel, const struct midge_stairs *p) {
    const uint32_t *own = p->channels + channel * midge_stairs_words(p);
    const uint32_t *line = p->each ? own + 1 : p->one;
    const uint32_t span = line[0] >> p->part_bits, part = line[0] & ((1u << p->part_bits) - 1u);
    uint32_t a = sum + own[0];
    if (a > span) {
        if (!p->bent && (int32_t)a < 0) {
            return (int8_t)(line[2] >> 24);
        }
        a = (int32_t)a < 0 ? 0u : span;
    }
    uint32_t y = line[1] * a + (part * a >> p->part_bits) + line[2];
    if (p->bent && a < line[3]) {
        y += line[4];
    }
    return (int8_t)(y >> 24);
}
