/* arg_max and arg_min along the middle of three dimensions: the index of the first best element.
   Outputs are written in ascending order, each after all of its elements. Since they are written as bytes, they may
   share memory with the input whatever its type. */
#include "base.h"

struct midge_argument {
    int32_t outer, length, inner;
    int is_least;
    int is_wide; /* indices are int64, not int32 */
};

MIDGE_KERNEL uint8_t *midge_store_index(uint8_t *y, int32_t index, int is_wide) {
    uint8_t *aligned = __builtin_assume_aligned(y, 4);
    const int64_t wide = index;
    if (is_wide) {
        MIDGE_COPY(aligned, &wide, sizeof wide);
        return y + sizeof wide;
    }
    MIDGE_COPY(aligned, &index, sizeof index);
    return y + sizeof index;
}

#define MIDGE_ARGUMENT_KERNEL(name, element)                                                                           \
    MIDGE_KERNEL void name(const element *x, uint8_t *y, const struct midge_argument *p) {                             \
        for (int32_t o = 0; o < p->outer; o++) {                                                                       \
            for (int32_t i = 0; i < p->inner; i++) {                                                                   \
                element best = x[i];                                                                                   \
                int32_t found = 0;                                                                                     \
                for (int32_t k = 1; k < p->length; k++) {                                                              \
                    const element candidate = x[k * p->inner + i];                                                     \
                    if (p->is_least ? candidate < best : candidate > best) {                                           \
                        best = candidate;                                                                              \
                        found = k;                                                                                     \
                    }                                                                                                  \
                }                                                                                                      \
                y = midge_store_index(y, found, p->is_wide);                                                           \
            }                                                                                                          \
            x += p->length * p->inner;                                                                                 \
        }                                                                                                              \
    }

MIDGE_ARGUMENT_KERNEL(midge_argument_s8, int8_t)
MIDGE_ARGUMENT_KERNEL(midge_argument_s16, int16_t)
