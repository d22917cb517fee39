/* softmax and log_softmax, float32: the row's maximum, then exponentials summed in order.
   Each element of a row is read before it is written. */
#include "float32.h"
#include "float_math.h"

struct midge_softmax_f32 {
    int32_t rows, length;
    float beta;
};

MIDGE_KERNEL float midge_row_maximum_f32(const float *x, int32_t length) {
    float largest = -3.40282347e+38f;
    for (int32_t i = 0; i < length; i++) {
        largest = largest < x[i] ? x[i] : largest;
    }
    return largest;
}

MIDGE_KERNEL void midge_softmax_f32(const float *x, float *y, const struct midge_softmax_f32 *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        const float largest = midge_row_maximum_f32(x, p->length);
        float sum = 0.0f;
        for (int32_t i = 0; i < p->length; i++) {
            y[i] = midge_exp_f32((x[i] - largest) * p->beta);
            sum += y[i];
        }
        for (int32_t i = 0; i < p->length; i++) {
            y[i] = midge_divide_f32(y[i], sum);
        }
        x += p->length;
        y += p->length;
    }
}

MIDGE_KERNEL void midge_log_softmax_f32(const float *x, float *y, const struct midge_softmax_f32 *p) {
    for (int32_t r = 0; r < p->rows; r++) {
        const float largest = midge_row_maximum_f32(x, p->length);
        float sum = 0.0f;
        for (int32_t i = 0; i < p->length; i++) {
            sum += midge_exp_f32(x[i] - largest);
        }
        const float log = midge_log_f32(sum);
        for (int32_t i = 0; i < p->length; i++) {
            y[i] = (x[i] - largest) - log;
        }
        x += p->length;
        y += p->length;
    }
}
