/* A running level: the median of the last eight values. */
#include "signal.h"

MIDGE_SIGNAL void midge_level_update(struct midge_level *level) {
    int32_t ordered[MIDGE_LEVEL_SIZE];
    for (int32_t i = 0; i < MIDGE_LEVEL_SIZE; i++) {
        const int32_t value = level->values[i];
        int32_t place = i;
        for (; place > 0 && ordered[place - 1] > value; place--) {
            ordered[place] = ordered[place - 1];
        }
        ordered[place] = value;
    }
    level->median = (ordered[MIDGE_LEVEL_SIZE / 2 - 1] + ordered[MIDGE_LEVEL_SIZE / 2]) >> 1;
}

/* Forgets the past. */
MIDGE_SIGNAL void midge_level_fill(struct midge_level *level, int32_t value) {
    for (int32_t i = 0; i < MIDGE_LEVEL_SIZE; i++) {
        level->values[i] = value;
    }
    level->median = value;
}

/* 0 <= value < 2^30 */
MIDGE_SIGNAL void midge_level_add(struct midge_level *level, int32_t value) {
    level->values[level->at] = value;
    level->at = (uint8_t)((level->at + 1u) % MIDGE_LEVEL_SIZE);
    midge_level_update(level);
}

/* Lowers every value by a quarter. */
MIDGE_SIGNAL void midge_level_relax(struct midge_level *level) {
    for (int32_t i = 0; i < MIDGE_LEVEL_SIZE; i++) {
        level->values[i] -= level->values[i] >> 2;
    }
    midge_level_update(level);
}
