/* Instructions of the DSP extension of ARMv7E-M and ARMv8-M. Inline assembly, because compilers' intrinsics
   differ and their schedulers spill the tiles. */
#include "base.h"

#if !defined(__ARM_FEATURE_DSP)
#error "this file was generated for a core with the DSP extension; compile for that core or generate it anew"
#endif
#define MIDGE_DSP 1

/* A generated function in assembly: it takes its parameters from registers. */
#define MIDGE_TILE static __attribute__((naked, noinline, unused))
#define MIDGE_UNUSED __attribute__((unused))

/* Bytes 0 and 2 of a word, sign-extended into its two halves. */
MIDGE_KERNEL uint32_t midge_sxtb16(uint32_t word) {
    uint32_t result;
    __asm__("sxtb16 %0, %1" : "=r"(result) : "r"(word));
    return result;
}

/* Bytes 1 and 3 of a word, sign-extended into its two halves. */
MIDGE_KERNEL uint32_t midge_sxtb16_ror8(uint32_t word) {
    uint32_t result;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(word));
    return result;
}

/* sum + low half of a * low half of b. */
MIDGE_KERNEL int32_t midge_smlabb(uint32_t a, uint32_t b, int32_t sum) {
    int32_t result;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* sum + high half of a * high half of b. */
MIDGE_KERNEL int32_t midge_smlatt(uint32_t a, uint32_t b, int32_t sum) {
    int32_t result;
    __asm__("smlatt %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* sum + (a * b) / 2^32, rounded, ties up. */
MIDGE_KERNEL int32_t midge_smmlar(int32_t a, int32_t b, int32_t sum) {
    int32_t result;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* sum + (a * b) / 2^32, rounded down. */
MIDGE_KERNEL int32_t midge_smmla(int32_t a, int32_t b, int32_t sum) {
    int32_t result;
    __asm__("smmla %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* Widen `count` bytes (rounded up to a multiple of 4, all readable) to halves in the order 0 2 | 1 3, one
   word for each pair, `stride` words from pair to pair. */
MIDGE_KERNEL void midge_widen_s8(const int8_t *source, int32_t count, uint32_t *target, int32_t stride) {
    for (int32_t i = 0; i < count; i += 4) {
        const uint32_t word = midge_load_u32(source + i);
        target[0] = midge_sxtb16(word);
        target[stride] = midge_sxtb16_ror8(word);
        target += 2 * stride;
    }
}
