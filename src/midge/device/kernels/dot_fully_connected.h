/* fully_connected, int8, with a generated tile: a row is widened, then all its outputs are made.
   stream .. end: bias, weights and factors as the tile reads them.
   column: scratch of one word for every two inputs, inputs rounded up to a multiple of 4.
   A row is widened before its outputs are written. */
#include "dot_widen.h"

struct midge_dot_fully_connected {
    int32_t rows, inputs, outputs;
};

MIDGE_KERNEL void midge_fully_connected_s8_dot(
    const int8_t *x, int8_t *y, const uint32_t *stream, const uint32_t *end, uint32_t *column, midge_dot_tile *tile,
    const struct midge_dot_fully_connected *p) {
    for (int32_t row = 0; row < p->rows; row++) {
        midge_widen_pixel(x + row * p->inputs, p->inputs, column, 1);
        tile(column, stream, y + row * p->outputs, end, 1, p->outputs);
    }
}
