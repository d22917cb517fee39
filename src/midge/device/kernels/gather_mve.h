/* Windows of int8 images, gathered with Helium. */
#include "base_mve.h"
#include "window.h"

/* One row of a window at (row, column) of the padded image: kernel_w * in_c bytes; zero points outside. */
MIDGE_KERNEL void midge_gather_row_mve(
    const int8_t *image, int32_t row, int32_t column, int8_t *patch, const struct midge_window *w, int8_t x_zero) {
    const int32_t size = w->kernel_w * w->in_c;
    if (row < 0 || row >= w->in_h) {
        midge_fill_mve(patch, x_zero, size);
    } else if (w->dilation_w == 1) {
        const int32_t first = midge_max(-column, 0), end = midge_min(w->in_w - column, w->kernel_w);
        midge_fill_mve(patch, x_zero, size);
        midge_copy_mve(
            image + (row * w->in_w + column + first) * w->in_c, patch + first * w->in_c, (end - first) * w->in_c);
    } else {
        for (int32_t t = 0; t < w->kernel_w; t++) {
            const int32_t at = column + t * w->dilation_w;
            if (at >= 0 && at < w->in_w) {
                midge_copy_mve(image + (row * w->in_w + at) * w->in_c, patch, w->in_c);
            } else {
                midge_fill_mve(patch, x_zero, w->in_c);
            }
            patch += w->in_c;
        }
    }
}

/* The window at (row, column) of the padded image: kernel_h * kernel_w * in_c bytes. Where every window lies inside the
   image (`inside` is 1) there is nothing to test. */
MIDGE_KERNEL void midge_gather_mve(
    const int8_t *image, int32_t row, int32_t column, int8_t *patch, const struct midge_window *w, int inside,
    int8_t x_zero) {
    const int32_t size = w->kernel_w * w->in_c;
    const int is_whole = inside || (row >= 0 && row + (w->kernel_h - 1) * w->dilation_h < w->in_h && column >= 0 &&
                                    column + w->kernel_w <= w->in_w);
    if (w->dilation_w == 1 && is_whole) {
        const int8_t *source = image + (row * w->in_w + column) * w->in_c;
        for (int32_t k = 0; k < w->kernel_h; k++) {
            midge_copy_mve(source, patch, size);
            source += w->dilation_h * w->in_w * w->in_c;
            patch += size;
        }
    } else {
        for (int32_t k = 0; k < w->kernel_h; k++) {
            midge_gather_row_mve(image, row + k * w->dilation_h, column, patch + k * size, w, x_zero);
        }
    }
}
