/* What every kernel stands on. C99, no libc beyond memcpy and memset. */
#include <stddef.h>
#include <stdint.h>

/* The built-in forms, which a compiler may expand even where it is told that there is no libc. */
#define MIDGE_COPY(target, source, size) __builtin_memcpy(target, source, (size_t)(size))
#define MIDGE_FILL(target, value, size) __builtin_memset(target, value, (size_t)(size))

/* A kernel is inlined into its layer, so that the compiler sees every shape as a constant. */
#define MIDGE_KERNEL static inline __attribute__((always_inline, unused))
/* A layer stays one function: it can be found in a profile, a map file and a debugger. GCC would make one of two
   layers that do the same. */
#if defined(__GNUC__) && !defined(__clang__)
#define MIDGE_LAYER static __attribute__((noinline, no_icf))
#else
#define MIDGE_LAYER static __attribute__((noinline))
#endif
/* An empty statement that compilers must keep: a layer in which nothing is left to do (a pool of single pixels in
   place, say) is still called, and counted. */
#define MIDGE_KEEP_LAYER __asm__ volatile("")
#define MIDGE_ALIGNED(bytes) __attribute__((aligned(bytes)))

MIDGE_KERNEL int32_t midge_min(int32_t a, int32_t b) { return a < b ? a : b; }

MIDGE_KERNEL int32_t midge_max(int32_t a, int32_t b) { return a > b ? a : b; }

MIDGE_KERNEL int8_t midge_clamp_s8(int32_t value, int32_t low, int32_t high) {
    return (int8_t)midge_min(midge_max(value, low), high);
}

/* Loads of four bytes at any address; compilers make one instruction of it where the core allows it. */
MIDGE_KERNEL uint32_t midge_load_u32(const void *address) {
    uint32_t word;
    MIDGE_COPY(&word, address, sizeof word);
    return word;
}
