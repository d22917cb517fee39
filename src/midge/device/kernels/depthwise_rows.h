/* depthwise_conv_2d, int8, windows of up to 3x3, one output a channel, with generated tiles: pairs of rows of a group
   of channels are widened into columns, then the output rows that they suffice for are made. The image is worked
   through in bands of rows, of one pair more than it has steps.
   stream: eight words a channel. columns: scratch of group * in_w * (steps + 1) words.
   A band's outputs are written while its rows are read, group by group; with one group, after they are read. */
#include "dsp.h"

/* Columns of `pairs` pairs of rows, the first with its upper row at `row`; rows outside the image are zeros. x is the
   image from the group's first channel on. */
typedef void midge_depthwise_columns(
    uint32_t *columns, const int8_t *x, int32_t row, int32_t pairs, int32_t group, int32_t width, int32_t channels,
    int32_t height, int32_t column_bytes, uint32_t minus_zero, uint32_t outside);

struct midge_depthwise_band {
    const uint32_t *end;  /* of the channels' words */
    int32_t upper, lower; /* how many rows above one, times 65536; less than 0: none */
};

/* Output rows of all channels whose words lie before the band's end. */
typedef void midge_depthwise_tile(
    const uint32_t *columns, const uint32_t *stream, int8_t *y, const struct midge_depthwise_band *band);

struct midge_depthwise_rows {
    int32_t batches, in_h, in_w, channels, out_h, out_w;
    int32_t pad_top;
    int32_t rows;  /* output rows of a step, 2 at row stride 1, 1 at row stride 2 */
    int32_t steps; /* of a band */
    int32_t pairs; /* words side by side, more than the steps */
    int32_t group; /* channels of a group */
    int32_t x_zero;
};

/* By how many channels the columns of a group begin before it: they are turned by fours, which three do not make. */
MIDGE_KERNEL int32_t midge_depthwise_lead(int32_t channels, const struct midge_depthwise_rows *p) {
    const int32_t rest = p->channels % p->group;
    return p->channels >= 4 && rest > 0 && rest < 4 && channels == rest ? 4 - rest : 0;
}

MIDGE_KERNEL void midge_depthwise_conv_2d_s8_rows(
    const int8_t *x, int8_t *y, const uint32_t *stream, uint32_t *columns, midge_depthwise_columns *load,
    midge_depthwise_tile *tile, const struct midge_depthwise_rows *p) {
    const int32_t all_steps = (p->out_h + p->rows - 1) / p->rows;
    const uint32_t minus_zero = (uint32_t)(-p->x_zero & 0xFFFF) * 0x10001u;
    const uint32_t outside = (uint32_t)(p->x_zero & 0xFF) * 0x01010101u;
    for (int32_t n = 0; n < p->batches; n++) {
#pragma GCC unroll 1
        for (int32_t step = 0; step < all_steps; step += p->steps) {
            const int32_t steps = midge_min(p->steps, all_steps - step);
            const int32_t rows = midge_min(p->rows * steps, p->out_h - p->rows * step);
#pragma GCC unroll 1
            for (int32_t c = 0; c < p->channels; c += p->group) {
                const int32_t channels = midge_min(p->group, p->channels - c);
                const int32_t lead = midge_depthwise_lead(channels, p);
                const struct midge_depthwise_band band = {
                    stream + 8 * (c + channels), (steps - 1) * 65536, (rows - steps - 1) * 65536};
                load(
                    columns, x + c - lead, 2 * step - p->pad_top, steps + 1, channels + lead, p->in_w, p->channels,
                    p->in_h, 4 * p->pairs * p->group, minus_zero, outside);
                tile(columns + lead * p->pairs, stream + 8 * c, y + c, &band);
            }
            y += rows * p->out_w * p->channels;
        }
        x += p->in_h * p->in_w * p->channels;
    }
}
