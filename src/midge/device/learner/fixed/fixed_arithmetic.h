/* Integers that stand for numbers. Q20 means: in units of 2^-20. Every function does what that of its name does in Midge's
   NumPy twin, bit for bit; how a product is made is the core's business. */
#include "base.h"

/* What any number of the state stays at or below, and above its negative less one, so that the sum of two is an int32. */
#define MIDGE_LIMIT INT32_C(0x3FFFFFFF)

#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__) || (defined(__riscv) && !defined(__riscv_mul))
/* Of 16-bit pieces, where there is no instruction. */
MIDGE_KERNEL int64_t midge_product(int32_t a, int32_t b) {
    const uint32_t a_low = (uint32_t)a & 0xFFFFu, b_low = (uint32_t)b & 0xFFFFu, low = a_low * b_low;
    const int32_t a_high = a >> 16, b_high = b >> 16;
    const int32_t one = a_high * (int32_t)b_low + (int32_t)(low >> 16);
    const int32_t other = b_high * (int32_t)a_low + (one & 0xFFFF);
    const int32_t high = a_high * b_high + (one >> 16) + (other >> 16);
    return (int64_t)((uint64_t)(uint32_t)high << 32 | ((uint32_t)other << 16 | (low & 0xFFFFu)));
}
#else
MIDGE_KERNEL int64_t midge_product(int32_t a, int32_t b) { return (int64_t)a * b; }

#define MIDGE_HAS_PRODUCT
#endif

/* Before a loop of few rounds: as straight code. Where a product is many instructions nothing is won by it. */
#ifdef MIDGE_HAS_PRODUCT
/* A pointer as it is: elements are found from it, not from where it came from, so that one register serves for all. */
#define MIDGE_TAKEN(pointer) __asm__("" : "+r"(pointer))
#define MIDGE_UNROLLED _Pragma("GCC unroll 16")
#else
#define MIDGE_TAKEN(pointer)
#define MIDGE_UNROLLED
#endif

/* Half rounds up. 1 <= places <= 62. */
MIDGE_KERNEL int64_t midge_rounded(int64_t value, int32_t places) {
    return (value + (INT64_C(1) << (places - 1))) >> places;
}

/* Between -2^30 and 2^30 - 1. */
MIDGE_KERNEL int32_t midge_narrow(int64_t value) {
    if (__builtin_expect(((uint64_t)(value + MIDGE_LIMIT + 1) >> 31) != 0u, 0)) {
        return value < 0 ? -MIDGE_LIMIT - 1 : MIDGE_LIMIT;
    }
    return (int32_t)value;
}

/* The same of value / 2^places, rounded down; 2 <= places <= 31: the upper word tells whether it fits. */
MIDGE_KERNEL int32_t midge_cut(int64_t value, int32_t places) {
    const uint32_t high = (uint32_t)((uint64_t)value >> 32);
    if (__builtin_expect((high + (1u << (places - 2))) >> (places - 1) != 0u, 0)) {
        return value < 0 ? -MIDGE_LIMIT - 1 : MIDGE_LIMIT;
    }
    return (int32_t)(high << (32 - places) | (uint32_t)value >> places);
}

/* The same, rounded. */
MIDGE_KERNEL int32_t midge_narrowed(int64_t value, int32_t places) {
    return midge_cut(value + (INT64_C(1) << (places - 1)), places);
}

/* value * 2^places and a half of that unit more: what is to be rounded with what is added. */
MIDGE_KERNEL int64_t midge_lifted(int32_t value, int32_t places) {
    const uint32_t high = (uint32_t)(value >> (32 - places)), low = (uint32_t)value << places | 1u << (places - 1);
    return (int64_t)((uint64_t)high << 32 | low);
}

/* Between -limit and limit, which is not negative. */
MIDGE_KERNEL int32_t midge_within(int32_t value, int32_t limit) { return midge_max(midge_min(value, limit), -limit); }

MIDGE_KERNEL int32_t midge_magnitude(int32_t value) { return value < 0 ? -value : value; }

/* A product of numbers, the second of `places` behind the point. */
MIDGE_KERNEL int32_t midge_times(int32_t a, int32_t b, int32_t places) {
    return midge_narrowed(midge_product(a, b), places);
}

/* How many binary digits: 0 for 0. */
MIDGE_KERNEL int32_t midge_digits(uint32_t value) { return value == 0u ? 0 : 32 - __builtin_clz(value); }

/* About 2^61 / value, for 2^30 <= value < 2^31: three steps of Newton's from a straight line. */
MIDGE_PART int32_t midge_reciprocal(int32_t value) {
    int64_t guess = INT64_C(3031741620) - (midge_product(value, 2021161080) >> 31);
    for (int32_t step = 0; step < 3; step++) {
        const int64_t one = midge_product(value, (int32_t)guess) >> 31;
        guess = midge_product((int32_t)guess, (int32_t)((INT64_C(1) << 31) - one)) >> 30;
    }
    return (int32_t)(guess < INT32_MAX ? guess : INT32_MAX);
}

/* value shifted so that it has 31 digits; 0 stays 0. */
MIDGE_KERNEL int32_t midge_filled(uint32_t value, int32_t digits) {
    return (int32_t)(digits > 31 ? value >> 1 : value << (31 - digits));
}

/* a / b with `places` behind the point, at most INT32_MAX; a >= 0, b > 0. */
MIDGE_PART int32_t midge_quotient(int32_t a, int32_t b, int32_t places) {
    const int32_t a_digits = midge_digits((uint32_t)a), b_digits = midge_digits((uint32_t)b);
    const int32_t inverse = midge_reciprocal(midge_filled((uint32_t)b, b_digits));
    const int64_t product = midge_product(midge_filled((uint32_t)a, a_digits), inverse);
    const int32_t down = 61 - places - a_digits + b_digits;
    if (down < 30) {
        return a == 0 ? 0 : INT32_MAX;
    }
    const int64_t quotient = down > 62 ? 0 : product >> down;
    return (int32_t)(quotient < INT32_MAX ? quotient : INT32_MAX);
}

/* The whole square root of value >= 0. */
MIDGE_PART int32_t midge_root(int32_t value) {
    uint32_t rest = (uint32_t)value, root = 0u;
    for (uint32_t bit = 1u << 30; bit != 0u; bit >>= 2) {
        const uint32_t tried = root + bit;
        root >>= 1;
        if (rest >= tried) {
            rest -= tried;
            root += bit;
        }
    }
    return (int32_t)root;
}
