/* logistic and tanh, int16: x times multiplier, shifted right and rounded, is what `int16_tables.h` takes. The
   multiplier is under 2^15, the shift under 32. An element is read before it is written. */
#include "int16_tables.h"

struct midge_logistic_s16 {
    int32_t size, multiplier, shift;
    int is_tanh;
};

MIDGE_KERNEL void midge_logistic_s16(const int16_t *x, int16_t *y, const struct midge_logistic_s16 *p) {
    const int32_t half = p->shift > 0 ? 1 << (p->shift - 1) : 0;
    for (int32_t i = 0; i < p->size; i++) {
        const int32_t argument = (x[i] * p->multiplier + half) >> p->shift;
        y[i] = p->is_tanh ? midge_tanh_q15(argument) : midge_sigmoid_q15(argument);
    }
}
