/* l2_normalization, float32: squares summed in order. A row is read wholly, then element by element before it is
   written. */
#include "float32.h"
#include "float_math.h"

struct midge_l2_normalization_f32 {
    int32_t rows, length;
    float least; /* what shorter rows are divided by */
};

MIDGE_KERNEL void midge_l2_normalization_f32(
    const float *x, float *y, const struct midge_l2_normalization_f32 *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        float squares = 0.0f;
        for (int32_t i = 0; i < p->length; i++) {
            squares += x[i] * x[i];
        }
        const float root = midge_sqrt_f32(squares);
        const float norm = root < p->least ? p->least : root;
        for (int32_t i = 0; i < p->length; i++) {
            y[i] = midge_divide_f32(x[i], norm);
        }
        x += p->length;
        y += p->length;
    }
}
