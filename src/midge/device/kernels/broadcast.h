/* The loops of every operator on each element of several tensors that broadcast as NumPy's do. */
#include "base.h"

#define MIDGE_BROADCAST_RANK 6

struct midge_broadcast {
    int32_t extent[MIDGE_BROADCAST_RANK];    /* of the output, outermost first; neighbours that behave alike merged */
    int32_t stride[3][MIDGE_BROADCAST_RANK]; /* of each operand, in elements; 0 where it is broadcast */
};

/* Defines name(a, b, c, y, p): y = element(a, b, c, p) at every place, with element types and `struct params`, whose
   first field is `struct midge_broadcast shape`. Outputs are written in ascending order; the operands of an element are
   read before it is written. */
#define MIDGE_BROADCAST_3(name, type_a, type_b, type_c, type_y, params, element)                                       \
    MIDGE_KERNEL void name(const type_a *a, const type_b *b, const type_c *c, type_y *y, const struct params *p) {     \
        const int32_t *n = p->shape.extent;                                                                            \
        const int32_t *sa = p->shape.stride[0], *sb = p->shape.stride[1], *sc = p->shape.stride[2];                    \
        for (int32_t i0 = 0; i0 < n[0]; i0++) {                                                                        \
            for (int32_t i1 = 0; i1 < n[1]; i1++) {                                                                    \
                for (int32_t i2 = 0; i2 < n[2]; i2++) {                                                                \
                    for (int32_t i3 = 0; i3 < n[3]; i3++) {                                                            \
                        for (int32_t i4 = 0; i4 < n[4]; i4++) {                                                        \
                            const type_a *pa = a + i0 * sa[0] + i1 * sa[1] + i2 * sa[2] + i3 * sa[3] + i4 * sa[4];     \
                            const type_b *pb = b + i0 * sb[0] + i1 * sb[1] + i2 * sb[2] + i3 * sb[3] + i4 * sb[4];     \
                            const type_c *pc = c + i0 * sc[0] + i1 * sc[1] + i2 * sc[2] + i3 * sc[3] + i4 * sc[4];     \
                            for (int32_t i5 = 0; i5 < n[5]; i5++) {                                                    \
                                *y++ = element(pa[i5 * sa[5]], pb[i5 * sb[5]], pc[i5 * sc[5]], p);                     \
                            }                                                                                          \
                        }                                                                                              \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

/* The same for two operands: name(a, b, y, p) with element(a, b, p). The third, whose strides are 0, is not used. */
#define MIDGE_BROADCAST_2(name, type_a, type_b, type_y, params, element)                                               \
    MIDGE_KERNEL type_y name##_pair(type_a a, type_b b, type_a unused, const struct params *p) {                       \
        (void)unused;                                                                                                  \
        return element(a, b, p);                                                                                       \
    }                                                                                                                  \
    MIDGE_BROADCAST_3(name##_loops, type_a, type_b, type_a, type_y, params, name##_pair)                               \
    MIDGE_KERNEL void name(const type_a *a, const type_b *b, type_y *y, const struct params *p) {                      \
        name##_loops(a, b, a, y, p);                                                                                   \
    }
