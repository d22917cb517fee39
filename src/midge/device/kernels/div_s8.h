/* div, int8: the dividend times the divisor's reciprocal, both normalised to 31 bits, rescaled. Where the divisor is 0
   the result lies beyond the clamp on the dividend's side, and is 0 for 0 / 0. */
#include "broadcast.h"
#include "requantize.h"

struct midge_div_s8 {
    struct midge_broadcast shape;
    int32_t a_zero, b_zero;
    const int32_t *reciprocals; /* Q0.31 of 2^bits / d for each magnitude d to 255; 0 for 0 */
    int32_t multiplier, shift;  /* to the right; at least -22 */
    int32_t y_zero, low, high;
};

MIDGE_KERNEL int8_t midge_div_element_s8(int8_t a, int8_t b, const struct midge_div_s8 *p) {
    int32_t dividend = a - p->a_zero, divisor = b - p->b_zero, result;
    if (divisor < 0) {
        dividend = -dividend;
        divisor = -divisor;
    }
    if (divisor == 0) {
        result = dividend * 1024;
    } else {
        const uint32_t bits = (uint32_t)(dividend < 0 ? ~dividend : dividend);
        const int32_t headroom = __builtin_clz(bits << 1 | 1u);
        const int32_t normal = (int32_t)((uint32_t)dividend << headroom);
        const int32_t quotient = midge_multiply_high(normal, p->reciprocals[divisor]);
        const int32_t shift = headroom + 31 - __builtin_clz((uint32_t)divisor) + p->shift;
        result = shift > 31 ? 0 : midge_shift_right(midge_multiply_high(quotient, p->multiplier), shift);
    }
    return midge_clamp_s8(result + p->y_zero, p->low, p->high);
}

MIDGE_BROADCAST_2(midge_div_s8, int8_t, int8_t, int8_t, midge_div_s8, midge_div_element_s8)
