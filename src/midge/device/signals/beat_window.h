/* The piece of signal around a beat, in units of the usual beat. The twin is midge/signals/window.py. */
#include "history.h"
#include "pointwise.h"

#define MIDGE_WINDOW_GAIN_BITS 14
#define MIDGE_WINDOW_LEAST_LEVEL 48

/* `count` points from the sample `age` before the newest on, every `stride`th; `codes` are what `level` becomes.
   codes <= 127; no point lies beyond the newest sample. */
MIDGE_SIGNAL void midge_beat_window(const struct midge_history *band, uint32_t age, uint32_t count, uint32_t stride,
                              int32_t codes, int32_t level, int8_t *window) {
    const uint32_t usual = (uint32_t)midge_max(level, MIDGE_WINDOW_LEAST_LEVEL);
    const int32_t gain = (int32_t)(((uint32_t)codes << MIDGE_WINDOW_GAIN_BITS) / usual);
    uint32_t place = midge_history_place(band, age);
    for (uint32_t k = 0; k < count; k++) {
        const int32_t scaled = band->ring[place] * gain + (1 << (MIDGE_WINDOW_GAIN_BITS - 1));
        const int32_t rounded = midge_shift_down(scaled, MIDGE_WINDOW_GAIN_BITS);
        window[k] = midge_clamp_s8(rounded, INT8_MIN, INT8_MAX);
        place += stride;
        place = place >= band->length ? place - band->length : place;
    }
}

/* The raw sample of a beat, `delay` before `raw`; one at the very start may seem to lie before it. */
MIDGE_KERNEL uint32_t midge_position(uint32_t raw, int32_t delay, uint32_t samples_so_far) {
    const int is_start = samples_so_far < 0x80000000u && delay > 0 && raw < (uint32_t)delay;
    return is_start ? 0u : raw - (uint32_t)delay;
}
