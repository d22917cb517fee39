/* Weights of four bits: two to a byte, the first in the low half; every row starts on a byte. */
#include "base.h"

MIDGE_KERNEL int32_t midge_low_s4(int8_t pair) { return (int32_t)((uint32_t)pair << 28) >> 28; }

MIDGE_KERNEL int32_t midge_high_s4(int8_t pair) { return pair >> 4; }

MIDGE_KERNEL int32_t midge_dot_s8_s4(const int8_t *x, const int8_t *pairs, int32_t count, int32_t sum) {
    const int32_t whole = count / 2;
    for (int32_t k = 0; k < whole; k++) {
        sum += x[2 * k] * midge_low_s4(pairs[k]);
        sum += x[2 * k + 1] * midge_high_s4(pairs[k]);
    }
    if (count % 2 != 0) {
        sum += x[count - 1] * midge_low_s4(pairs[whole]);
    }
    return sum;
}
