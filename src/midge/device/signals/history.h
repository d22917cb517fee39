/* The last samples of a band-passed signal. */
#include "signal.h"

MIDGE_KERNEL void midge_history_push(struct midge_history *history, int16_t sample) {
    history->newest = (uint16_t)(history->newest + 1u == history->length ? 0u : history->newest + 1u);
    history->ring[history->newest] = sample;
}

/* The place of the sample `age` before the newest; age < length. */
MIDGE_KERNEL uint32_t midge_history_place(const struct midge_history *history, uint32_t age) {
    return history->newest >= age ? history->newest - age : history->newest + (uint32_t)history->length - age;
}

MIDGE_KERNEL uint32_t midge_history_next(const struct midge_history *history, uint32_t place) {
    return place + 1u == history->length ? 0u : place + 1u;
}
