/* depthwise_conv_2d, int8, windows of up to 3x3, one output a channel, with generated tiles: pairs of rows of a group
   of channels are widened into columns, then the output rows that they suffice for are made. The image is worked
   through in bands of rows; a band's pairs are one more than its steps.
   x: on words where the channels are a multiple of 4. stream: eight words a channel.
   columns: scratch of group * in_w * (steps + 1) words.
   A band's outputs are written while its rows are read, group by group; with one group, after they are read. */
#include "dsp.h"

/* Columns of `pairs` pairs of rows that lie in the image; 0: of the upper row of a pair alone, -1: of the lower. */
typedef void midge_depthwise_columns(uint32_t *columns, const int8_t *x, int32_t pairs);

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
    int32_t group; /* channels of a group */
};

/* The columns of `pairs` pairs, the first with its upper row at `row`; x is the image from the group's first channel
   on. Rows outside the image are zeros. */
MIDGE_KERNEL void midge_depthwise_load(
    const int8_t *x, uint32_t *columns, int32_t row, int32_t pairs, int32_t channels,
    midge_depthwise_columns *load, const struct midge_depthwise_rows *p) {
    const int32_t pitch = p->in_w * p->channels;
    for (int32_t k = 0; k < pairs;) {
        const int32_t upper = row + 2 * k;
        int32_t count = 1;
        if (upper >= 0 && upper + 1 < p->in_h) {
            count = midge_min(pairs - k, (p->in_h - upper) / 2);
            load(columns + k, x + upper * pitch, count);
        } else if (upper + 1 == 0) {
            load(columns + k, x, -1);
        } else if (upper + 1 == p->in_h) {
            load(columns + k, x + upper * pitch, 0);
        } else {
            for (int32_t i = 0; i < channels * p->in_w; i++) {
                columns[i * (p->steps + 1) + k] = 0;
            }
        }
        k += count;
    }
}

MIDGE_KERNEL void midge_depthwise_conv_2d_s8_rows(
    const int8_t *x, int8_t *y, const uint32_t *stream, uint32_t *columns, midge_depthwise_columns *load,
    midge_depthwise_columns *load_rest, midge_depthwise_tile *tile, const struct midge_depthwise_rows *p) {
    const int32_t all_steps = (p->out_h + p->rows - 1) / p->rows;
    for (int32_t n = 0; n < p->batches; n++) {
        for (int32_t step = 0; step < all_steps; step += p->steps) {
            const int32_t steps = midge_min(p->steps, all_steps - step);
            const int32_t rows = midge_min(p->rows * steps, p->out_h - p->rows * step);
            for (int32_t c = 0; c < p->channels; c += p->group) {
                const int32_t channels = midge_min(p->group, p->channels - c);
                const struct midge_depthwise_band band = {
                    stream + 8 * (c + channels), (steps - 1) * 65536, (rows - steps - 1) * 65536};
                midge_depthwise_load(
                    x + c, columns, 2 * step - p->pad_top, steps + 1, channels,
                    channels == p->group ? load : load_rest, p);
                tile(columns, stream + 8 * c, y + c, &band);
            }
            y += rows * p->out_w * p->channels;
        }
        x += p->in_h * p->in_w * p->channels;
    }
}
