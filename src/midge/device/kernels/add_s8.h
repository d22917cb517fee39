/* add, int8. Each input is shifted left by 20, brought to the common scale and rounded; then the sum.
   An element is read before it is written. */
#include "requantize.h"

#define MIDGE_BROADCAST_RANK 6

struct midge_add {
    int32_t extent[MIDGE_BROADCAST_RANK];   /* of the output, outermost first */
    int32_t a_stride[MIDGE_BROADCAST_RANK]; /* elements; 0 where a is broadcast */
    int32_t b_stride[MIDGE_BROADCAST_RANK];
    int32_t a_zero, b_zero, y_zero, low, high;
    struct midge_factors a, b, sum;
};

MIDGE_KERNEL int32_t midge_add_operand(int32_t centred, const struct midge_factors *factors) {
    return midge_rescale((int32_t)((uint32_t)centred << 20), midge_factor_of(factors, 0), factors);
}

MIDGE_KERNEL int8_t midge_add_element(int32_t a, int32_t b, const struct midge_add *p) {
    const int32_t sum = midge_add_operand(a - p->a_zero, &p->a) + midge_add_operand(b - p->b_zero, &p->b);
    const int32_t scaled = midge_rescale(sum, midge_factor_of(&p->sum, 0), &p->sum) + p->y_zero;
    return midge_clamp_s8(scaled, p->low, p->high);
}

MIDGE_KERNEL void midge_add_s8(const int8_t *a, const int8_t *b, int8_t *y, const struct midge_add *p) {
    const int32_t *n = p->extent, *sa = p->a_stride, *sb = p->b_stride;
    for (int32_t i0 = 0; i0 < n[0]; i0++) {
        for (int32_t i1 = 0; i1 < n[1]; i1++) {
            for (int32_t i2 = 0; i2 < n[2]; i2++) {
                for (int32_t i3 = 0; i3 < n[3]; i3++) {
                    for (int32_t i4 = 0; i4 < n[4]; i4++) {
                        const int8_t *pa = a + i0 * sa[0] + i1 * sa[1] + i2 * sa[2] + i3 * sa[3] + i4 * sa[4];
                        const int8_t *pb = b + i0 * sb[0] + i1 * sb[1] + i2 * sb[2] + i3 * sb[3] + i4 * sb[4];
                        for (int32_t i5 = 0; i5 < n[5]; i5++) {
                            *y++ = midge_add_element(pa[i5 * sa[5]], pb[i5 * sb[5]], p);
                        }
                    }
                }
            }
        }
    }
}
