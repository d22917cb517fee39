/* Integer Helium, the vector extension of ARMv8.1-M, through the intrinsics of ACLE. */
#include <arm_mve.h>

#include "base.h"

#if !defined(__ARM_FEATURE_MVE)
#error "this file was generated for a core with Helium; compile for that core or generate it anew"
#endif

/* Copy bytes from one place to another that does not overlap it. */
MIDGE_KERNEL void midge_copy_mve(const int8_t *source, int8_t *target, int32_t count) {
    for (; count >= 16; count -= 16) {
        vstrbq_s8(target, vldrbq_s8(source));
        source += 16;
        target += 16;
    }
    if (count > 0) {
        const mve_pred16_t rest = vctp8q((uint32_t)count);
        vstrbq_p_s8(target, vldrbq_z_s8(source, rest), rest);
    }
}

MIDGE_KERNEL void midge_fill_mve(int8_t *target, int8_t value, int32_t count) {
    const int8x16_t values = vdupq_n_s8(value);
    for (; count >= 16; count -= 16) {
        vstrbq_s8(target, values);
        target += 16;
    }
    if (count > 0) {
        vstrbq_p_s8(target, values, vctp8q((uint32_t)count));
    }
}
