/* Elements of one type that are read and written where others of another type stood. */
#include "base.h"

typedef int16_t __attribute__((may_alias)) midge_any_s16;
typedef int32_t __attribute__((may_alias)) midge_any_s32;
typedef float __attribute__((may_alias)) midge_any_f32;
