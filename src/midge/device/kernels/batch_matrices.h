/* Matrices of a batch: where they start, and how far it is from one of their elements to the next. */
#include "base.h"

struct midge_matrices {
    int32_t batches[3];           /* outermost first */
    int32_t a_step[3], b_step[3]; /* from batch to batch, in elements; 0 where it is broadcast */
    int32_t rows, columns, depth; /* y is [rows][columns], a sum has `depth` products */
    int32_t a_row, a_depth;       /* from row to row of a, and from product to product */
    int32_t b_column, b_depth;
};

struct midge_matrix_pair {
    int32_t a, b; /* offsets of the first elements */
};

MIDGE_KERNEL struct midge_matrix_pair midge_matrices_at(
    const struct midge_matrices *m, int32_t i, int32_t j, int32_t k) {
    struct midge_matrix_pair at = {
        i * m->a_step[0] + j * m->a_step[1] + k * m->a_step[2],
        i * m->b_step[0] + j * m->b_step[1] + k * m->b_step[2]};
    return at;
}
