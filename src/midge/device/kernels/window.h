/* Sliding windows over NHWC images. */
#include "base.h"

struct midge_window {
    int32_t batches, in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t kernel_h, kernel_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left;
};

/* Copy what the window at (row, column) of the padded image covers, `channels` of every pixel from
   `first` on: patch[kernel_h][kernel_w][channels], `outside` where it leaves the image. */
MIDGE_KERNEL void midge_gather_s8(
    const int8_t *image, const struct midge_window *w, int32_t row, int32_t column,
    int32_t first, int32_t channels, int8_t outside, int8_t *patch) {
    for (int32_t i = 0; i < w->kernel_h; i++) {
        const int32_t y = row + i * w->dilation_h;
        if (w->dilation_w == 1 && channels == w->in_c && y >= 0 && y < w->in_h && column >= 0 &&
            column + w->kernel_w <= w->in_w) {
            /* Wholly inside: the taps of a row stand side by side. */
            MIDGE_COPY(patch, image + (y * w->in_w + column) * w->in_c, w->kernel_w * channels);
            patch += w->kernel_w * channels;
            continue;
        }
        for (int32_t j = 0; j < w->kernel_w; j++) {
            const int32_t x = column + j * w->dilation_w;
            if (y >= 0 && y < w->in_h && x >= 0 && x < w->in_w) {
                MIDGE_COPY(patch, image + (y * w->in_w + x) * w->in_c + first, channels);
            } else {
                MIDGE_FILL(patch, outside, channels);
            }
            patch += channels;
        }
    }
}

/* For depthwise kernels: where each tap's channels stand, as offsets from the image. Taps outside the image
   lead to `outside`, a row of in_c zero points in the same arena. */
MIDGE_KERNEL void midge_locate_taps(
    const int8_t *image, const struct midge_window *w, int32_t row, int32_t column,
    const int8_t *outside, int32_t *taps) {
    for (int32_t i = 0; i < w->kernel_h; i++) {
        const int32_t y = row + i * w->dilation_h;
        for (int32_t j = 0; j < w->kernel_w; j++) {
            const int32_t x = column + j * w->dilation_w;
            const int inside = y >= 0 && y < w->in_h && x >= 0 && x < w->in_w;
            *taps++ = inside ? (y * w->in_w + x) * w->in_c : (int32_t)(outside - image);
        }
    }
}
