/* Beats that were found and wait for their decision, the oldest first. */
#include "signal.h"

/* Whether the oldest one's window is complete, and the next beat known or too late. Before the levels are learnt, the
   queue holds peaks. */
MIDGE_KERNEL int midge_beat_is_ready(const struct midge_pulse_search *search, int32_t after, int32_t timeout) {
    if (!search->learnt || search->waiting == 0u) {
        return 0;
    }
    const int32_t since = (int32_t)(search->now - search->queue[0].pulse.at);
    return since >= after && (search->waiting > 1u || since >= timeout);
}

/* Takes the oldest one out. Returns the interval to the next one, `timeout` at most. */
MIDGE_SIGNAL int32_t midge_beat_take(struct midge_pulse_search *search, int32_t timeout, struct midge_waiting *beat) {
    *beat = search->queue[0];
    search->waiting--;
    for (uint8_t k = 0; k < search->waiting; k++) {
        search->queue[k] = search->queue[k + 1u];
    }
    if (search->waiting == 0u) {
        return timeout;
    }
    return midge_min((int32_t)(search->queue[0].pulse.at - beat->pulse.at), timeout);
}

/* A new state of the signal marks every beat that waits. Returns whether it is another one. */
MIDGE_SIGNAL int midge_beat_mark(struct midge_pulse_search *search, uint8_t state) {
    const int changed = search->state != state;
    search->state = state;
    for (uint8_t k = 0; k < search->waiting; k++) {
        search->queue[k].quality |= state;
    }
    return changed;
}
