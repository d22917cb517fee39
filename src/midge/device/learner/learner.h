/* What the parts of a learner stand on. The emitted file defines its sizes and settings (MIDGE_CHANNELS, ...) before
   it, and `MIDGE_LEARNER` as its state. Each part does what the function of that name does in Midge's NumPy twin,
   operation by operation: sums run upwards from their first term, nothing is fused, nothing is reordered. */
#include "float32.h"
#include "float_math.h"
#include "learner_places.h"

MIDGE_KERNEL float midge_least(float a, float b) { return a < b ? a : b; }

MIDGE_KERNEL float midge_most(float a, float b) { return a > b ? a : b; }

/* Whether a number's magnitude is above a limit that is not negative. In integers: without an FPU that is far less. */
MIDGE_KERNEL int midge_is_beyond(float value, float limit) {
    return midge_bits_f32(value) << 1 > midge_bits_f32(limit) << 1;
}

/* A magnitude with the sign of a value. */
MIDGE_KERNEL float midge_signed_as(float magnitude, float value) {
    return midge_from_bits_f32(midge_bits_f32(magnitude) | (midge_bits_f32(value) & MIDGE_SIGN_F32));
}

/* Between -limit and limit, which is not negative; value is a number. */
MIDGE_KERNEL float midge_within(float value, float limit) {
    return MIDGE_UNLIKELY(midge_is_beyond(value, limit)) ? midge_signed_as(limit, value) : value;
}

/* Between two limits above zero; value is not negative. */
MIDGE_KERNEL float midge_between(float value, float low, float high) {
    const uint32_t bits = midge_bits_f32(value), lowest = midge_bits_f32(low), highest = midge_bits_f32(high);
    if (MIDGE_UNLIKELY(bits - lowest > highest - lowest)) {
        return bits < lowest ? low : high;
    }
    return value;
}

MIDGE_KERNEL float midge_magnitude(float value) { return midge_from_bits_f32(midge_bits_f32(value) & ~MIDGE_SIGN_F32); }

#if defined(__riscv_flen) || (defined(__ARM_FP) && (__ARM_FP & 4)) || !(defined(__arm__) || defined(__riscv))
#define MIDGE_HAS_FPU
#endif

/* Before a loop of few rounds: as straight code; before one of many: four at a time. Without an FPU nothing is won by
   it. */
#ifdef MIDGE_HAS_FPU
#define MIDGE_UNROLLED _Pragma("GCC unroll 8")
#define MIDGE_BY_FOUR _Pragma("GCC unroll 4")
#else
#define MIDGE_UNROLLED
#define MIDGE_BY_FOUR
#endif

/* Before a loop that hardly ever runs. */
#define MIDGE_SELDOM _Pragma("GCC unroll 1")

/* One routine for all divisions where there is no instruction. */
#ifdef MIDGE_HAS_FPU
MIDGE_KERNEL float midge_quotient(float a, float b) { return a / b; }
#else
MIDGE_PART float midge_quotient(float a, float b) { return midge_divide_f32(a, b); }
#endif

/* 1 / scale, exactly: a scale is a power of two, 2^-40 to 2^62. */
MIDGE_KERNEL float midge_inverse(float scale) { return midge_from_bits_f32(0x7F000000u - midge_bits_f32(scale)); }

/* The larger of 1 / count and the slowest rate; count > 0. */
MIDGE_KERNEL float midge_rate(int32_t count, float slowest) {
    const float rate = midge_quotient(1.0f, (float)count);
    return slowest > rate ? slowest : rate;
}
