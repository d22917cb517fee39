/* minimum and maximum of numbers as they are stored. A comparison with what is not a number is false. */
#include "broadcast.h"

struct midge_extremum {
    struct midge_broadcast shape;
    int is_maximum;
};

#define MIDGE_EXTREMUM(suffix, type)                                                                                   \
    MIDGE_KERNEL type midge_extremum_element_##suffix(type a, type b, const struct midge_extremum *p) {                \
        return (p->is_maximum ? a > b : a < b) ? a : b;                                                                \
    }                                                                                                                  \
    MIDGE_BROADCAST_2(midge_extremum_##suffix, type, type, type, midge_extremum, midge_extremum_element_##suffix)

MIDGE_EXTREMUM(s8, int8_t)
MIDGE_EXTREMUM(s16, int16_t)
MIDGE_EXTREMUM(s32, int32_t)
MIDGE_EXTREMUM(s64, int64_t)
MIDGE_EXTREMUM(f32, float)
