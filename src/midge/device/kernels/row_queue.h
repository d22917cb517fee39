/* Rows of an image on their way from one layer to the next. `count`: how many stand in the queue; below 0, how many
   of those to come the layer passes over. The first row stands at `rows`, so that a layer finds its window in one piece. */
#include "base.h"

/* Where the next row goes. One that is passed over goes where the next one overwrites it. */
MIDGE_KERNEL uint8_t *midge_row_place(uint8_t *rows, int32_t count, int32_t row_bytes) {
    return rows + midge_max(count, 0) * row_bytes;
}

/* `taken` rows, at least 1, are not needed any more: those behind them move up. */
MIDGE_KERNEL void midge_take_rows(uint8_t *rows, int32_t *count, int32_t taken, int32_t row_bytes) {
    *count -= taken;
    for (int32_t i = 0; i < *count; i++) {
        MIDGE_COPY(rows + i * row_bytes, rows + (i + taken) * row_bytes, row_bytes);
    }
}
