/* A logarithm to base 2 in integers. */
#include "base.h"

/* 256 log2(value + 1), rounded down to the bits that squaring 16 bits of a mantissa gives. value < 2^62 */
MIDGE_KERNEL int32_t midge_binary_log(uint64_t value) {
    int32_t whole = 0;
    uint32_t mantissa;
    value++;
    for (uint64_t rest = value; rest > 1u; rest >>= 1) {
        whole++;
    }
    mantissa = (uint32_t)(whole >= 15 ? value >> (whole - 15) : value << (15 - whole));
    for (int bit = 0; bit < 8; bit++) {
        const uint32_t squared = (mantissa * mantissa) >> 15;
        const uint32_t two = squared >> 16;
        whole = 2 * whole + (int32_t)two;
        mantissa = squared >> two;
    }
    return whole;
}
