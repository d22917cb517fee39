/* select: a where the condition's byte is not 0, otherwise b. */
#include "broadcast.h"

struct midge_select {
    struct midge_broadcast shape; /* strides of condition, a, b */
};

#define MIDGE_SELECT(suffix, type)                                                                                     \
    MIDGE_KERNEL type midge_select_element_##suffix(uint8_t condition, type a, type b, const struct midge_select *p) { \
        (void)p;                                                                                                       \
        return condition != 0 ? a : b;                                                                                 \
    }                                                                                                                  \
    MIDGE_BROADCAST_3(midge_select_##suffix, uint8_t, type, type, type, midge_select, midge_select_element_##suffix)

MIDGE_SELECT(s8, int8_t)
MIDGE_SELECT(s16, int16_t)
MIDGE_SELECT(f32, float)
