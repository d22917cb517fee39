/* svdf, int8, with SMLAD: the sums over features of two filters at a time.
   feature: for each pair of filters, words of four features, alternating, as in fully_connected_s8_dsp.h; offset for
   an even number of filters; the rest as in svdf_s8.h.
   row: scratch of `padded` halves. A row is widened before its units are written. */
#include "fully_connected_s8_dsp.h"
#include "svdf_s8.h"

MIDGE_KERNEL void midge_svdf_s8_dsp(
    const int8_t *x, int8_t *y, void *memory, const int8_t *feature, const int32_t *offset, const void *time,
    const int32_t *bias, uint32_t *row, int32_t padded, const struct midge_svdf *p) {
    struct midge_svdf_place at = {y, memory, time, bias, 0, 0};
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *packed = feature;
        at.time = time;
        at.bias = bias;
        midge_widen_row_s8(x, p->features, row);
        for (int32_t f = 0; f < p->filters; f += 2) {
            const uint32_t *column = row, *end = row + padded / 2;
            int32_t s0 = offset[f], s1 = offset[f + 1];
            do {
                midge_tile_1x2(&column, &packed, &s0, &s1);
            } while (column != end);
            midge_svdf_filter(&at, s0, p);
            if (p->filters % 2 == 0 || f + 1 < p->filters) {
                midge_svdf_filter(&at, s1, p);
            }
        }
        x += p->features;
    }
}
