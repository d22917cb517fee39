/* A running mean of windows, in 256ths of a code. The twin is midge/signals/template.py. */
#include "pointwise.h"
#include "signal.h"

#define MIDGE_TEMPLATE_BITS 4

MIDGE_SIGNAL void midge_template_start(int16_t *mean, const int8_t *window, uint32_t count) {
    for (uint32_t k = 0; k < count; k++) {
        mean[k] = (int16_t)(window[k] * 256);
    }
}

MIDGE_SIGNAL void midge_template_add(int16_t *mean, const int8_t *window, uint32_t count) {
    for (uint32_t k = 0; k < count; k++) {
        const int32_t change = window[k] * 256 - mean[k];
        mean[k] = (int16_t)(mean[k] + midge_shift_down(change, MIDGE_TEMPLATE_BITS));
    }
}

MIDGE_KERNEL int8_t midge_template_code(int16_t mean) {
    return (int8_t)midge_shift_down(mean, 8);
}

/* The template in whole codes. */
MIDGE_SIGNAL void midge_template_copy(const int16_t *mean, int8_t *codes, uint32_t count) {
    for (uint32_t k = 0; k < count; k++) {
        codes[k] = midge_template_code(mean[k]);
    }
}

/* Mean distance between a window and the template over points [first, end), in quarters of a code. */
MIDGE_SIGNAL int32_t midge_template_distance(const int16_t *mean, const int8_t *window, uint32_t first, uint32_t end) {
    int32_t sum = 0;
    for (uint32_t k = first; k < end; k++) {
        const int32_t apart = window[k] - midge_template_code(mean[k]);
        sum += apart < 0 ? -apart : apart;
    }
    return end > first ? (int32_t)((uint32_t)(4 * sum) / (end - first)) : 0;
}

/* The running mean of distances, in 256ths; a distance counts up to four times the mean. */
MIDGE_SIGNAL void midge_distance_add(int32_t *mean, int32_t distance) {
    const int32_t counted = midge_min(distance * 256, 4 * *mean + 256);
    *mean += midge_shift_down(counted - *mean, MIDGE_TEMPLATE_BITS);
}
