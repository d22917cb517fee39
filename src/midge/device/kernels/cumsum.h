/* cumsum along the middle of three dimensions. Where that is the innermost and not reversed, elements are read and
   written in ascending order, each read before it is written. */
#include "base.h"

struct midge_cumsum {
    int32_t outer, length, inner;
    int is_exclusive, is_reverse;
    int32_t x_zero, y_zero;
    int32_t multiplier, shift; /* for a sum shifted left by 19 */
};

/* `total` starts as `start`; each `term` makes `after` of it; one of the two is `sum`, of which `result` is written. */
#define MIDGE_CUMSUM_KERNEL(name, element, accumulator, start, term, result)                     \
    MIDGE_KERNEL void name(const element *x, element *y, const struct midge_cumsum *p) {         \
        for (int32_t o = 0; o < p->outer; o++) {                                                 \
            for (int32_t i = 0; i < p->inner; i++) {                                             \
                accumulator total = (start);                                                     \
                for (int32_t k = 0; k < p->length; k++) {                                        \
                    const int32_t at = (p->is_reverse ? p->length - 1 - k : k) * p->inner + i;   \
                    const accumulator after = total + (term);                                    \
                    const accumulator sum = p->is_exclusive ? total : after;                     \
                    y[at] = (result);                                                            \
                    total = after;                                                               \
                }                                                                                \
            }                                                                                    \
            x += p->length * p->inner;                                                           \
            y += p->length * p->inner;                                                           \
        }                                                                                        \
    }
