/* batch_matmul, int8, portable C.
   sum (a - a_zero) * (b - b_zero) = sum (a - a_zero) * b - b_zero * sum (a - a_zero): the last is taken once a row.
   Both operands are read until the last element is written. */
#include "batch_matrices.h"
#include "requantize.h"

struct midge_batch_matmul_s8 {
    struct midge_matrices matrices;
    int32_t a_zero, b_zero, y_zero;
    struct midge_factors factors;
};

MIDGE_KERNEL int8_t *midge_matmul_s8(
    const int8_t *a, const int8_t *b, int8_t *y, const struct midge_batch_matmul_s8 *p) {
    const struct midge_matrices *m = &p->matrices;
    const struct midge_factor factor = midge_factor_of(&p->factors, 0);
    for (int32_t i = 0; i < m->rows; i++, a += m->a_row) {
        int32_t offset = 0;
        if (p->b_zero != 0) {
            for (int32_t k = 0; k < m->depth; k++) {
                offset += p->a_zero - a[k * m->a_depth];
            }
            offset *= p->b_zero;
        }
        for (int32_t j = 0; j < m->columns; j++) {
            const int8_t *column = b + j * m->b_column;
            int32_t sum = offset;
            for (int32_t k = 0; k < m->depth; k++) {
                sum += (a[k * m->a_depth] - p->a_zero) * column[k * m->b_depth];
            }
            *y++ = midge_clamp_s8(midge_rescale(sum, factor, &p->factors) + p->y_zero, INT8_MIN, INT8_MAX);
        }
    }
    return y;
}

MIDGE_KERNEL void midge_batch_matmul_s8(
    const int8_t *a, const int8_t *b, int8_t *y, const struct midge_batch_matmul_s8 *p) {
    const struct midge_matrices *m = &p->matrices;
    for (int32_t i = 0; i < m->batches[0]; i++) {
        for (int32_t j = 0; j < m->batches[1]; j++) {
            for (int32_t k = 0; k < m->batches[2]; k++) {
                const struct midge_matrix_pair at = midge_matrices_at(m, i, j, k);
                y = midge_matmul_s8(a + at.a, b + at.b, y, p);
            }
        }
    }
}
