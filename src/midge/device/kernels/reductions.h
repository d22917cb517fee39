/* mean, sum, reduce_max, reduce_min, reduce_all. Neighbouring dimensions that both stay, or both go, are one here.
   Outputs are written in ascending order, each after all of its elements, which are read in ascending order. */
#include "requantize.h"

#define MIDGE_REDUCTION_RANK 4

struct midge_reduction {
    int32_t kept[MIDGE_REDUCTION_RANK]; /* extents of the dimensions that stay, outermost first */
    int32_t kept_stride[MIDGE_REDUCTION_RANK];
    int32_t reduced[MIDGE_REDUCTION_RANK]; /* of those that go */
    int32_t reduced_stride[MIDGE_REDUCTION_RANK];
    int32_t start; /* of a sum of integers: minus as many zero points as there are terms */
    int32_t y_zero;
    float count; /* what a sum of floats is divided by for their mean */
    struct midge_factors factors;
};

/* `held` starts as `first`; at each `term` it becomes `next`; `result` is written. */
#define MIDGE_REDUCTION_KERNEL(name, element, accumulator, first, next, result)                      \
    MIDGE_KERNEL void name(const element *x, element *y, const struct midge_reduction *p) {          \
        const int32_t *n = p->kept, *s = p->kept_stride, *m = p->reduced, *t = p->reduced_stride;    \
        for (int32_t i0 = 0; i0 < n[0]; i0++) {                                                      \
            for (int32_t i1 = 0; i1 < n[1]; i1++) {                                                  \
                for (int32_t i2 = 0; i2 < n[2]; i2++) {                                              \
                    for (int32_t i3 = 0; i3 < n[3]; i3++) {                                          \
                        const element *from = x + i0 * s[0] + i1 * s[1] + i2 * s[2] + i3 * s[3];     \
                        accumulator held = (first);                                                  \
                        for (int32_t j0 = 0; j0 < m[0]; j0++) {                                      \
                            for (int32_t j1 = 0; j1 < m[1]; j1++) {                                  \
                                for (int32_t j2 = 0; j2 < m[2]; j2++) {                              \
                                    const element *row = from + j0 * t[0] + j1 * t[1] + j2 * t[2];   \
                                    for (int32_t j3 = 0; j3 < m[3]; j3++) {                          \
                                        const element term = row[j3 * t[3]];                         \
                                        held = (next);                                               \
                                    }                                                                \
                                }                                                                    \
                            }                                                                        \
                        }                                                                            \
                        *y++ = (result);                                                             \
                    }                                                                                \
                }                                                                                    \
            }                                                                                        \
        }                                                                                            \
    }
