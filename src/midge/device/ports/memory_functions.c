/* memcpy, memmove, memset and memcmp for programs without a C library: compilers call them for
 * copies that they find in any code. Whichever a model needs counts as the model's code.
 *
 * Word loops when both sides allow it; sizes in bytes, any alignment, no other precondition than
 * the C standard's (C99 7.21.2 and 7.21.6). */
#include <stddef.h>
#include <stdint.h>

/* Once in a program, not once under each of their names. */
#define NOT_INLINED __attribute__((noinline))
NOT_INLINED void *memcpy(void *restrict to, const void *restrict from, size_t size);
NOT_INLINED void *memmove(void *to, const void *from, size_t size);
NOT_INLINED void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);

/* Words may alias objects of any type here, as the compiler's own block copies do. */
typedef uint32_t __attribute__((may_alias)) word;

static int both_aligned(const void *a, const void *b)
{
    return (((uintptr_t)a | (uintptr_t)b) & 3u) == 0u;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    uint8_t *destination = to;
    const uint8_t *source = from;
    if (both_aligned(to, from)) {
        while (size >= 16u) {
            const word a = ((const word *)source)[0];
            const word b = ((const word *)source)[1];
            const word c = ((const word *)source)[2];
            const word d = ((const word *)source)[3];
            ((word *)destination)[0] = a;
            ((word *)destination)[1] = b;
            ((word *)destination)[2] = c;
            ((word *)destination)[3] = d;
            source += 16;
            destination += 16;
            size -= 16u;
        }
        while (size >= 4u) {
            *(word *)destination = *(const word *)source;
            source += 4;
            destination += 4;
            size -= 4u;
        }
    }
    while (size > 0u) {
        *destination++ = *source++;
        --size;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    uint8_t *destination = to;
    const uint8_t *source = from;
    if ((uintptr_t)to - (uintptr_t)from >= size) {
        const int words = both_aligned(to, from);
        while (words && size >= 4u) {
            *(word *)destination = *(const word *)source;
            source += 4;
            destination += 4;
            size -= 4u;
        }
        while (size > 0u) {
            *destination++ = *source++;
            --size;
        }
        return to;
    }
    destination += size;
    source += size;
    while (size > 0u && (((uintptr_t)destination | (uintptr_t)source) & 3u) != 0u) {
        *--destination = *--source;
        --size;
    }
    while (size >= 4u) {
        destination -= 4;
        source -= 4;
        *(word *)destination = *(const word *)source;
        size -= 4u;
    }
    while (size > 0u) {
        *--destination = *--source;
        --size;
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    uint8_t *destination = to;
    const uint8_t byte = (uint8_t)value;
    while (size > 0u && ((uintptr_t)destination & 3u) != 0u) {
        *destination++ = byte;
        --size;
    }
    const word pattern = byte * 0x01010101u;
    while (size >= 16u) {
        ((word *)destination)[0] = pattern;
        ((word *)destination)[1] = pattern;
        ((word *)destination)[2] = pattern;
        ((word *)destination)[3] = pattern;
        destination += 16;
        size -= 16u;
    }
    while (size > 0u) {
        *destination++ = byte;
        --size;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *left = a;
    const uint8_t *right = b;
    for (size_t i = 0u; i < size; ++i) {
        if (left[i] != right[i]) {
            return (int)left[i] - (int)right[i];
        }
    }
    return 0;
}

#if defined(__arm__)
/* The names under which compilers for the Arm EABI call the same (RTABI32, section 4.3.4), without a
 * result and with the arguments of memset in another order. The ones that end in a number may assume
 * that alignment, which is no use here. */
void __aeabi_memcpy(void *restrict to, const void *restrict from, size_t size);
void __aeabi_memcpy4(void *restrict to, const void *restrict from, size_t size);
void __aeabi_memcpy8(void *restrict to, const void *restrict from, size_t size);
void __aeabi_memmove(void *to, const void *from, size_t size);
void __aeabi_memmove4(void *to, const void *from, size_t size);
void __aeabi_memmove8(void *to, const void *from, size_t size);
void __aeabi_memset(void *to, size_t size, int value);
void __aeabi_memset4(void *to, size_t size, int value);
void __aeabi_memset8(void *to, size_t size, int value);
void __aeabi_memclr(void *to, size_t size);
void __aeabi_memclr4(void *to, size_t size);
void __aeabi_memclr8(void *to, size_t size);

void __aeabi_memcpy(void *restrict to, const void *restrict from, size_t size)
{
    (void)memcpy(to, from, size);
}

void __aeabi_memmove(void *to, const void *from, size_t size)
{
    (void)memmove(to, from, size);
}

void __aeabi_memset(void *to, size_t size, int value)
{
    (void)memset(to, value, size);
}

void __aeabi_memclr(void *to, size_t size)
{
    (void)memset(to, 0, size);
}

#define SAME_AS(name) __attribute__((alias(name)))
void __aeabi_memcpy4(void *restrict to, const void *restrict from, size_t size)
    SAME_AS("__aeabi_memcpy");
void __aeabi_memcpy8(void *restrict to, const void *restrict from, size_t size)
    SAME_AS("__aeabi_memcpy");
void __aeabi_memmove4(void *to, const void *from, size_t size) SAME_AS("__aeabi_memmove");
void __aeabi_memmove8(void *to, const void *from, size_t size) SAME_AS("__aeabi_memmove");
void __aeabi_memset4(void *to, size_t size, int value) SAME_AS("__aeabi_memset");
void __aeabi_memset8(void *to, size_t size, int value) SAME_AS("__aeabi_memset");
void __aeabi_memclr4(void *to, size_t size) SAME_AS("__aeabi_memclr");
void __aeabi_memclr8(void *to, size_t size) SAME_AS("__aeabi_memclr");
#endif
