/* batch_matmul, float32, portable C. Products are added one by one.
   Both operands are read until the last element is written. */
#include "batch_matrices.h"
#include "float32.h"

struct midge_batch_matmul_f32 {
    struct midge_matrices matrices;
};

MIDGE_KERNEL float *midge_matmul_f32(const float *a, const float *b, float *y, const struct midge_matrices *m) {
    for (int32_t i = 0; i < m->rows; i++, a += m->a_row) {
        for (int32_t j = 0; j < m->columns; j++) {
            const float *column = b + j * m->b_column;
            float sum = 0.0f;
            for (int32_t k = 0; k < m->depth; k++) {
                sum += a[k * m->a_depth] * column[k * m->b_depth];
            }
            *y++ = sum;
        }
    }
    return y;
}

MIDGE_KERNEL void midge_batch_matmul_f32(
    const float *a, const float *b, float *y, const struct midge_batch_matmul_f32 *p) {
    const struct midge_matrices *m = &p->matrices;
    for (int32_t i = 0; i < m->batches[0]; i++) {
        for (int32_t j = 0; j < m->batches[1]; j++) {
            for (int32_t k = 0; k < m->batches[2]; k++) {
                const struct midge_matrix_pair at = midge_matrices_at(m, i, j, k);
                y = midge_matmul_f32(a + at.a, b + at.b, y, m);
            }
        }
    }
}
