/* equal, not_equal, greater, greater_equal, less, less_equal, logical_and, logical_or: bytes that are 0 or 1. */
#include "broadcast.h"

enum midge_comparison {
    MIDGE_EQUAL,
    MIDGE_NOT_EQUAL,
    MIDGE_GREATER,
    MIDGE_GREATER_EQUAL,
    MIDGE_LESS,
    MIDGE_LESS_EQUAL,
    MIDGE_LOGICAL_AND,
    MIDGE_LOGICAL_OR
};

struct midge_compare {
    struct midge_broadcast shape;
    enum midge_comparison comparison;
};

/* The comparisons of any arithmetic type; a comparison but != with what is not a number is false. */
#define MIDGE_COMPARE_NUMBERS(a, b, comparison)                                                                        \
    ((comparison) == MIDGE_EQUAL           ? (a) == (b)                                                                \
     : (comparison) == MIDGE_NOT_EQUAL     ? (a) != (b)                                                                \
     : (comparison) == MIDGE_GREATER       ? (a) > (b)                                                                 \
     : (comparison) == MIDGE_GREATER_EQUAL ? (a) >= (b)                                                                \
     : (comparison) == MIDGE_LESS          ? (a) < (b)                                                                 \
                                           : (a) <= (b))

MIDGE_KERNEL uint8_t midge_compare_element_s32(int32_t a, int32_t b, const struct midge_compare *p) {
    return (uint8_t)MIDGE_COMPARE_NUMBERS(a, b, p->comparison);
}

MIDGE_KERNEL uint8_t midge_compare_element_s64(int64_t a, int64_t b, const struct midge_compare *p) {
    return (uint8_t)MIDGE_COMPARE_NUMBERS(a, b, p->comparison);
}

MIDGE_KERNEL uint8_t midge_compare_element_f32(float a, float b, const struct midge_compare *p) {
    return (uint8_t)MIDGE_COMPARE_NUMBERS(a, b, p->comparison);
}

/* Of bool: any byte but 0 is true. */
MIDGE_KERNEL uint8_t midge_compare_element_u8(uint8_t a, uint8_t b, const struct midge_compare *p) {
    const int left = a != 0, right = b != 0;
    if (p->comparison == MIDGE_LOGICAL_AND) {
        return (uint8_t)(left & right);
    }
    if (p->comparison == MIDGE_LOGICAL_OR) {
        return (uint8_t)(left | right);
    }
    return (uint8_t)MIDGE_COMPARE_NUMBERS(left, right, p->comparison);
}

MIDGE_BROADCAST_2(midge_compare_s32, int32_t, int32_t, uint8_t, midge_compare, midge_compare_element_s32)
MIDGE_BROADCAST_2(midge_compare_s64, int64_t, int64_t, uint8_t, midge_compare, midge_compare_element_s64)
MIDGE_BROADCAST_2(midge_compare_f32, float, float, uint8_t, midge_compare, midge_compare_element_f32)
MIDGE_BROADCAST_2(midge_compare_u8, uint8_t, uint8_t, uint8_t, midge_compare, midge_compare_element_u8)
