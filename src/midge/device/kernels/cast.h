/* cast: elements of another type. Integers lose their upper bits, floats are cut towards zero and held within the
   type, what is not a number becomes 0; what is not 0 is true. An element is read before it is written. */
#include "any_type.h"
#include "float32.h"

typedef int64_t __attribute__((may_alias)) midge_any_s64;

enum midge_cast_type {
    MIDGE_CAST_BOOL,
    MIDGE_CAST_F32,
    MIDGE_CAST_S16,
    MIDGE_CAST_S32,
    MIDGE_CAST_S64,
    MIDGE_CAST_S8,
    MIDGE_CAST_U8
};

struct midge_cast {
    int32_t size;
    enum midge_cast_type from, to;
};

/* Of an integer type. */
MIDGE_KERNEL int64_t midge_cast_load(const void *x, int32_t i, enum midge_cast_type type) {
    switch (type) {
    case MIDGE_CAST_S8:
        return ((const int8_t *)x)[i];
    case MIDGE_CAST_S16:
        return ((const midge_any_s16 *)x)[i];
    case MIDGE_CAST_S32:
        return ((const midge_any_s32 *)x)[i];
    case MIDGE_CAST_S64:
        return ((const midge_any_s64 *)x)[i];
    case MIDGE_CAST_BOOL:
    case MIDGE_CAST_U8:
    case MIDGE_CAST_F32:
        break;
    }
    return ((const uint8_t *)x)[i];
}

/* To an integer type; the upper bits are dropped, and of a bool the value is 0 or 1 already. */
MIDGE_KERNEL void midge_cast_store(void *y, int32_t i, enum midge_cast_type type, int64_t value) {
    switch (type) {
    case MIDGE_CAST_S8:
        ((int8_t *)y)[i] = (int8_t)value;
        return;
    case MIDGE_CAST_S16:
        ((midge_any_s16 *)y)[i] = (int16_t)value;
        return;
    case MIDGE_CAST_S32:
        ((midge_any_s32 *)y)[i] = (int32_t)value;
        return;
    case MIDGE_CAST_S64:
        ((midge_any_s64 *)y)[i] = value;
        return;
    case MIDGE_CAST_BOOL:
    case MIDGE_CAST_U8:
    case MIDGE_CAST_F32:
        break;
    }
    ((uint8_t *)y)[i] = (uint8_t)value;
}

MIDGE_KERNEL int64_t midge_truncate_f32(float x, enum midge_cast_type type) {
    if (x != x) {
        return 0;
    }
    if (type == MIDGE_CAST_S64) {
        return x >= 0x1p63f ? INT64_MAX : x <= -0x1p63f ? INT64_MIN : (int64_t)x;
    }
    if (type == MIDGE_CAST_S32) {
        return x >= 0x1p31f ? INT32_MAX : x <= -0x1p31f ? INT32_MIN : (int32_t)x;
    }
    const int32_t high = type == MIDGE_CAST_S16 ? INT16_MAX : type == MIDGE_CAST_S8 ? INT8_MAX : UINT8_MAX;
    const int32_t low = type == MIDGE_CAST_S16 ? INT16_MIN : type == MIDGE_CAST_S8 ? INT8_MIN : 0;
    return x >= (float)high ? high : x <= (float)low ? low : (int32_t)x;
}

MIDGE_KERNEL void midge_cast_any(const void *x, void *y, const struct midge_cast *p) {
    const midge_any_f32 *floats = x;
    midge_any_f32 *to_floats = y;
    for (int32_t i = 0; i < p->size; i++) {
        if (p->from == MIDGE_CAST_F32 && p->to == MIDGE_CAST_F32) {
            to_floats[i] = floats[i];
        } else if (p->from == MIDGE_CAST_F32) {
            const float value = floats[i];
            midge_cast_store(y, i, p->to, p->to == MIDGE_CAST_BOOL ? value != 0.0f : midge_truncate_f32(value, p->to));
        } else {
            const int64_t value = midge_cast_load(x, i, p->from);
            if (p->to == MIDGE_CAST_F32) {
                to_floats[i] = p->from == MIDGE_CAST_S64 ? (float)value : (float)(int32_t)value;
            } else {
                midge_cast_store(y, i, p->to, p->to == MIDGE_CAST_BOOL ? value != 0 : value);
            }
        }
    }
}
