/* depthwise_conv_2d, int8, windows of up to 3x3, one output a channel, with generated tiles that read the image where
   it stands. No scratch. stream: eight words a channel.
   The image is worked through in bands of rows: the outputs of a band are written, channel by channel, while its rows
   are read. Windows reach over the image's upper or lower edge by one row at most, and the image has three. */
#include "dsp.h"

struct midge_depthwise_part {
    const uint32_t *end; /* of the channels' words */
    int32_t rows;        /* how many above one, times 65536 */
    int32_t edge;        /* -1: their windows reach over the upper edge, 1: over the lower one; 0: neither */
};

/* Output rows of all channels. x is the first window's row, or the row of the image next to it where it is outside. */
typedef void midge_depthwise_direct_tile(
    const int8_t *x, const uint32_t *stream, int8_t *y, const struct midge_depthwise_part *part);

struct midge_depthwise_direct {
    int32_t batches, in_h, row_bytes, out_h, out_row_bytes;
    int32_t channels;
    int32_t stride, pad_top;
    int32_t rows; /* output rows of a band */
};

MIDGE_KERNEL void midge_depthwise_conv_2d_s8_direct(
    const int8_t *x, int8_t *y, const uint32_t *stream, midge_depthwise_direct_tile *tile,
    const struct midge_depthwise_direct *p) {
    const int32_t last = p->in_h - 3; /* where a window inside may begin */
    for (int32_t n = 0; n < p->batches; n++) {
        int32_t rows = 0;
#pragma GCC unroll 1
        for (int32_t row = 0; row < p->out_h; row += rows) {
            const int32_t top = row * p->stride - p->pad_top;
            const int32_t edge = top < 0 ? -1 : top > last;
            rows = 1;
            if (edge == 0) {
                const int32_t inside = (last + p->pad_top) / p->stride + 1;
                const int32_t end = midge_min(row / p->rows * p->rows + p->rows, p->out_h);
                rows = midge_min(inside, end) - row;
            }
            const struct midge_depthwise_part part = {stream + 8 * p->channels, (rows - 1) * 65536, edge};
            tile(x + (top - edge) * p->row_bytes, stream, y, &part);
            y += rows * p->out_row_bytes;
        }
        x += p->in_h * p->row_bytes;
    }
}
