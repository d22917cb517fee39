/* dequantize, integers to float32: the difference to the zero point, which float32 holds exactly, times the scale. An
   element is read before it is written. */
#include "any_type.h"
#include "float32.h"

struct midge_dequantize {
    int32_t size, x_zero;
    float scale;
};

#define MIDGE_DEQUANTIZE(name, from)                                                                                   \
    MIDGE_KERNEL void name(const from *x, midge_any_f32 *y, const struct midge_dequantize *p) {                        \
        for (int32_t i = 0; i < p->size; i++) {                                                                        \
            y[i] = (float)(x[i] - p->x_zero) * p->scale;                                                               \
        }                                                                                                              \
    }

MIDGE_DEQUANTIZE(midge_dequantize_s8, int8_t)
MIDGE_DEQUANTIZE(midge_dequantize_s16, midge_any_s16)
MIDGE_DEQUANTIZE(midge_dequantize_u8, uint8_t)
