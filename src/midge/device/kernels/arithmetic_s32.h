/* add, sub, mul, div and squared_difference of plain int32. Results wrap around; quotients are truncated towards zero,
   and by 0 they are 0. */
#include "arithmetic.h"
#include "broadcast.h"

struct midge_arithmetic_s32 {
    struct midge_broadcast shape;
    enum midge_arithmetic operation;
    int32_t low, high;
};

MIDGE_KERNEL int32_t midge_arithmetic_element_s32(int32_t a, int32_t b, const struct midge_arithmetic_s32 *p) {
    const uint32_t left = (uint32_t)a, right = (uint32_t)b, difference = left - right;
    uint32_t result = difference;
    if (p->operation == MIDGE_ADDITION) {
        result = left + right;
    } else if (p->operation == MIDGE_MULTIPLICATION) {
        result = left * right;
    } else if (p->operation == MIDGE_SQUARED_SUBTRACTION) {
        result = difference * difference;
    } else if (p->operation == MIDGE_DIVISION) {
        /* By -1 as a subtraction, which may wrap around. */
        result = b == 0 ? 0u : b == -1 ? 0u - left : (uint32_t)(a / b);
    }
    return midge_min(midge_max((int32_t)result, p->low), p->high);
}

MIDGE_BROADCAST_2(midge_arithmetic_s32, int32_t, int32_t, int32_t, midge_arithmetic_s32, midge_arithmetic_element_s32)
