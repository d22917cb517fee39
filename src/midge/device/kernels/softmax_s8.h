/* softmax, int8 -> int8 of scale 1/256 and zero point -128, or int16 of scale 1/65536 and zero point -32768, in Q0.31
   as gemmlowp computes it. exponentials: scratch of `length` words. A row is read before it is written. */
#include "clamp.h"
#include "fixed_point.h"

struct midge_softmax {
    int32_t rows, length;
    int32_t multiplier, left_shift; /* beta * scale in Q5.26 */
    int32_t least;                  /* differences to the row's maximum under it count as zero */
};

MIDGE_KERNEL int32_t midge_row_maximum_s8(const int8_t *x, int32_t length) {
    int32_t largest = INT8_MIN;
    for (int32_t i = 0; i < length; i++) {
        largest = midge_max(largest, x[i]);
    }
    return largest;
}

/* A difference to the row's maximum, not under `least`, in Q5.26. */
MIDGE_KERNEL int32_t midge_softmax_argument(int32_t difference, const struct midge_softmax *p) {
    return midge_multiply_high((int32_t)((uint32_t)difference << p->left_shift), p->multiplier);
}

/* The exponentials of a row in Q0.31, 0 where they do not count; their sum in Q12.19. */
MIDGE_KERNEL int32_t midge_softmax_exponentials(const int8_t *x, int32_t *exponentials, const struct midge_softmax *p) {
    const int32_t largest = midge_row_maximum_s8(x, p->length);
    int32_t sum = 0;
    for (int32_t i = 0; i < p->length; i++) {
        const int32_t difference = x[i] - largest;
        exponentials[i] = 0;
        if (difference >= p->least) {
            exponentials[i] = midge_exp_on_negative(midge_softmax_argument(difference, p));
            sum += midge_shift_right(exponentials[i], 12);
        }
    }
    return sum;
}

MIDGE_KERNEL void midge_softmax_s8(const int8_t *x, int8_t *y, int32_t *exponentials, const struct midge_softmax *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        int32_t leading_zeros;
        const int32_t sum = midge_softmax_exponentials(x, exponentials, p);
        const int32_t reciprocal = midge_reciprocal(sum, &leading_zeros);
        for (int32_t i = 0; i < p->length; i++) {
            const int32_t product = midge_multiply_high(reciprocal, exponentials[i]);
            const int32_t value = midge_shift_right(product, 12 - leading_zeros + 23) - 128;
            y[i] = midge_clamp_s8(value, INT8_MIN, INT8_MAX);
        }
        x += p->length;
        y += p->length;
    }
}

MIDGE_KERNEL void midge_softmax_s8_s16(
    const int8_t *x, int16_t *y, int32_t *exponentials, const struct midge_softmax *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        int32_t leading_zeros;
        const int32_t sum = midge_softmax_exponentials(x, exponentials, p);
        const int32_t reciprocal = midge_reciprocal(sum, &leading_zeros);
        for (int32_t i = 0; i < p->length; i++) {
            const int32_t product = midge_multiply_high(reciprocal, exponentials[i]);
            const int32_t value = midge_shift_right(product, 12 - leading_zeros + 15) - 32768;
            y[i] = midge_clamp_s16(value, INT16_MIN, INT16_MAX);
        }
        x += p->length;
        y += p->length;
    }
}
