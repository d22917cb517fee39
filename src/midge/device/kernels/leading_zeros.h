/* Counting the zeros in front of a number. */
#include "base.h"

/* Shifts a word that is not 0 left until its highest bit is set; by how much. */
MIDGE_KERNEL int32_t midge_bring_up(uint32_t *word) {
    int32_t zeros = 0;
#if defined(__ARM_FEATURE_CLZ) || defined(__riscv_zbb) || !(defined(__arm__) || defined(__riscv))
    zeros = __builtin_clz(*word);
    *word <<= zeros;
#else
    /* Without the instruction, compilers call a routine or a table; mostly one or two turns do here. */
#pragma GCC unroll 1
    while (*word >> 31 == 0) {
        *word <<= 1;
        zeros++;
    }
#endif
    return zeros;
}

/* Of a word that is not 0. */
MIDGE_KERNEL int32_t midge_leading_zeros(uint32_t word) { return midge_bring_up(&word); }
