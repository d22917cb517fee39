/* softmax, int16 -> int16 of scale 1/32768, by tables of 513 entries: exp on [-10, 0], and 1 / (1 + x) on [0, 1], both
   in Q0.15. Exponentials are kept in the output; a row's maximum is found first, then each element is read before it
   is written. */
#include "clamp.h"
#include "leading_zeros.h"
#include "requantize.h"

struct midge_softmax_s16 {
    int32_t rows, length;
    struct midge_factors factors; /* beta * scale in units of 10/65535 */
};

/* 128 values share an entry; between two lies a straight line. place in [-32768, 32767]. */
MIDGE_KERNEL int32_t midge_softmax_lookup(int32_t place, const int16_t *table) {
    const int16_t *entry = table + 256 + (place >> 7);
    return entry[0] + (((entry[1] - entry[0]) * (place & 127) + 64) >> 7);
}

MIDGE_KERNEL void midge_softmax_s16(
    const int16_t *x, int16_t *y, const int16_t *exponential, const int16_t *reciprocal,
    const struct midge_softmax_s16 *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        int32_t largest = INT16_MIN, sum = 0;
        for (int32_t i = 0; i < p->length; i++) {
            largest = midge_max(largest, x[i]);
        }
        for (int32_t i = 0; i < p->length; i++) {
            const int32_t scaled = midge_rescale(x[i] - largest, midge_factor_of(&p->factors, 0), &p->factors);
            const int32_t place = midge_clamp_s16(scaled + INT16_MAX, INT16_MIN, INT16_MAX);
            const int32_t value = midge_softmax_lookup(place, exponential);
            y[i] = (int16_t)value;
            sum += value;
        }
        /* The maximum alone adds 32767 in Q0.15; the sum is brought to [1, 2). */
        const int32_t zeros = midge_leading_zeros((uint32_t)sum), right = 31 - zeros;
        const int32_t mantissa = (int32_t)((((uint32_t)sum << (zeros - 1)) + (1u << 13)) >> 14);
        const int32_t factor = midge_softmax_lookup(midge_min(mantissa - 65536 - 32768, INT16_MAX), reciprocal);
        for (int32_t i = 0; i < p->length; i++) {
            /* Both are under 2^15. */
            const int32_t value = (y[i] * factor + (1 << (right - 1))) >> right;
            y[i] = midge_clamp_s16(value, 0, INT16_MAX);
        }
        x += p->length;
        y += p->length;
    }
}
