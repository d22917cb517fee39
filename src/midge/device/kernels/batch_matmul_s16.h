/* batch_matmul, int16, portable C. Sums have 64 bits.
   Both operands are read until the last element is written. */
#include "batch_matrices.h"
#include "clamp.h"
#include "requantize_16x8.h"

struct midge_batch_matmul_s16 {
    struct midge_matrices matrices;
    struct midge_factors_16x8 factors;
};

MIDGE_KERNEL int16_t *midge_matmul_s16(
    const int16_t *a, const int16_t *b, int16_t *y, const struct midge_batch_matmul_s16 *p) {
    const struct midge_matrices *m = &p->matrices;
    const uint32_t word = midge_factor_word(&p->factors, 0);
    for (int32_t i = 0; i < m->rows; i++, a += m->a_row) {
        for (int32_t j = 0; j < m->columns; j++) {
            const int16_t *column = b + j * m->b_column;
            int64_t sum = 0;
            for (int32_t k = 0; k < m->depth; k++) {
                sum += a[k * m->a_depth] * column[k * m->b_depth];
            }
            *y++ = midge_clamp_s16(midge_rescale_16x8(sum, word, &p->factors), INT16_MIN, INT16_MAX);
        }
    }
    return y;
}

MIDGE_KERNEL void midge_batch_matmul_s16(
    const int16_t *a, const int16_t *b, int16_t *y, const struct midge_batch_matmul_s16 *p) {
    const struct midge_matrices *m = &p->matrices;
    for (int32_t i = 0; i < m->batches[0]; i++) {
        for (int32_t j = 0; j < m->batches[1]; j++) {
            for (int32_t k = 0; k < m->batches[2]; k++) {
                const struct midge_matrix_pair at = midge_matrices_at(m, i, j, k);
                y = midge_matmul_s16(a + at.a, b + at.b, y, p);
            }
        }
    }
}
