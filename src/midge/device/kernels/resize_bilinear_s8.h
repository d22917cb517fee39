/* resize_bilinear, int8: each output pixel is mixed from the four input pixels around its position.
   Pixels are written row by row; the input is read at will. */
#include "base.h"

struct midge_resize {
    int32_t batches, in_h, in_w, channels, out_h, out_w;
    int32_t step_h, step_w;   /* input pixels a pixel of the output, 10 fraction bits */
    int32_t start_h, start_w; /* position of the first output pixel */
};

/* The two pixels around a position along one dimension, and the second one's weight out of 1024. */
struct midge_neighbours {
    int32_t first, second, weight;
};

MIDGE_KERNEL struct midge_neighbours midge_neighbours_of(int32_t position, int32_t extent) {
    struct midge_neighbours found;
    found.first = midge_min(midge_max(position >> 10, 0), extent - 1);
    found.second = midge_min(midge_max((position + 1023) >> 10, 0), extent - 1);
    /* Beyond the ends both are one pixel, and no weight matters. */
    found.weight = found.second > found.first ? position & 1023 : 0;
    return found;
}

MIDGE_KERNEL void midge_resize_bilinear_s8(const int8_t *x, int8_t *y, const struct midge_resize *p) {
    for (int32_t n = 0; n < p->batches; n++) {
        for (int32_t i = 0; i < p->out_h; i++) {
            const struct midge_neighbours v = midge_neighbours_of(p->start_h + i * p->step_h, p->in_h);
            const int8_t *upper = x + v.first * p->in_w * p->channels, *lower = x + v.second * p->in_w * p->channels;
            for (int32_t j = 0; j < p->out_w; j++) {
                const struct midge_neighbours h = midge_neighbours_of(p->start_w + j * p->step_w, p->in_w);
                const int32_t left = h.first * p->channels, right = h.second * p->channels;
                const int32_t lower_right = v.weight * h.weight;
                const int32_t lower_left = v.weight * 1024 - lower_right;
                const int32_t upper_right = h.weight * 1024 - lower_right;
                const int32_t upper_left = (1 << 20) - lower_right - lower_left - upper_right;
                for (int32_t c = 0; c < p->channels; c++) {
                    const int32_t mixture = upper[left + c] * upper_left + lower[left + c] * lower_left +
                                            upper[right + c] * upper_right + lower[right + c] * lower_right;
                    *y++ = (int8_t)((mixture + (mixture > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20));
                }
            }
        }
        x += p->in_h * p->in_w * p->channels;
    }
}
