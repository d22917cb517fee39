/* What the parts of a learner stand on. The emitted file defines its sizes and settings (MIDGE_CHANNELS, ...) before
   it, and `MIDGE_LEARNER` as its state. Each part does what the function of that name does in Midge's NumPy twin,
   operation by operation: sums run upwards from their first term, nothing is fused, nothing is reordered. */
#include "float32.h"
#include "float_math.h"

/* Each stays one function: it is found by name in a map file, a profile, and by the tracer that counts. */
#define MIDGE_PART static __attribute__((noinline, unused))

/* Places in `counters`, in `watch`, and of the units. */
enum {
    MIDGE_TICKS,
    MIDGE_POSITION,
    MIDGE_PERIOD,
    MIDGE_CURRENT,
    MIDGE_KNOWN,
    MIDGE_NEXT_ID,
    MIDGE_SEARCHING,
    MIDGE_SINCE
};
enum { MIDGE_ERROR, MIDGE_LEVEL, MIDGE_EVIDENCE, MIDGE_SPREAD };
enum { MIDGE_JOINT, MIDGE_FAST, MIDGE_SEASON, MIDGE_DIRECT, MIDGE_REGIME, MIDGE_PERSISTENCE, MIDGE_UNITS };

#define MIDGE_FIRST_DIRECT (MIDGE_ANCHORS - MIDGE_DIRECT_ANCHORS)

MIDGE_KERNEL float midge_least(float a, float b) { return a < b ? a : b; }

MIDGE_KERNEL float midge_most(float a, float b) { return a > b ? a : b; }

/* Between -limit and limit, which is not negative; value is a number. In integers: so it is few instructions with an
   FPU, and without one far fewer. */
MIDGE_KERNEL float midge_within(float value, float limit) {
    const uint32_t bits = midge_bits_f32(value), most = midge_bits_f32(limit);
    if (__builtin_expect((bits & ~MIDGE_SIGN_F32) > most, 0)) {
        value = midge_from_bits_f32(most | (bits & MIDGE_SIGN_F32));
    }
    return value;
}

MIDGE_KERNEL float midge_magnitude(float value) { return midge_from_bits_f32(midge_bits_f32(value) & ~MIDGE_SIGN_F32); }

/* One routine for all divisions where there is no instruction. */
#if defined(__riscv_flen) || (defined(__ARM_FP) && (__ARM_FP & 4)) || !(defined(__arm__) || defined(__riscv))
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
