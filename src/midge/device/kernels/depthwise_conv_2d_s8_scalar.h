/* depthwise_conv_2d, int8, channel by channel: the rows of a channel that a band of output rows needs are widened to
   words, with its borders, then used for all taps.
   weights [kernel_h * kernel_w][out_c]; plane: scratch of the widened rows, then the band's number of rows and the taps
   of one output as words, and four words that a tile may use.
   A band is written while it is read. */
#include "scalar_stairs.h"
#include "window.h"

struct midge_depthwise_scalar {
    struct midge_window window;
    int32_t x_zero;
    int32_t band;                      /* output rows at a time */
    int32_t plane_rows, plane_columns; /* that a band and an output row need */
    struct midge_stairs stairs;
    /* One output channel of a band in assembly, y its first pixel; NULL where C does as well.
       taps: the number of rows, then the weights, then four words to write to. */
    void (*tile)(const int32_t *plane, int32_t *taps, const uint32_t *channel, int8_t *y);
    /* Rows of a channel as words, in assembly. */
    void (*widen)(const int8_t *x, int32_t *target, int32_t rows);
};

/* Which part of a band's plane lies inside the image; the rest stays as it is from channel to channel. */
struct midge_inside {
    int32_t first_row, rows, first_column, columns;
};

MIDGE_KERNEL struct midge_inside midge_inside_of(int32_t top, int32_t height, const struct midge_depthwise_scalar *p) {
    const struct midge_window *w = &p->window;
    const int32_t row = midge_max(-top, 0), column = w->pad_left;
    struct midge_inside inside = {row, midge_min(height, w->in_h - top) - row, column, 0};
    inside.columns = midge_min(p->plane_columns - column, w->in_w);
    return inside;
}

/* A channel's inputs as words; x points to the first one inside. */
MIDGE_KERNEL void midge_widen_plane(
    const int8_t *x, int32_t *plane, const struct midge_inside *inside, const struct midge_depthwise_scalar *p) {
    const struct midge_window *w = &p->window;
    int32_t *target = plane + inside->first_row * p->plane_columns + inside->first_column;
    if (inside->rows <= 0 || inside->columns <= 0) {
        return;
    }
    if (p->widen != NULL) {
        p->widen(x, target, inside->rows);
        return;
    }
    for (int32_t i = 0; i < inside->rows; i++) {
        const int8_t *source = x;
        for (int32_t j = 0; j < inside->columns; j++) {
            target[j] = *source;
            source += w->in_c;
        }
        target += p->plane_columns;
        x += w->in_w * w->in_c;
    }
}

/* The sum of an output pixel of a kernel of 3 x 3, its weights in registers. */
MIDGE_KERNEL int32_t midge_sum_3x3(const int32_t *a, const int32_t *weights, int32_t row, int32_t tap) {
    const int32_t *b = a + row, *c = b + row;
    return a[0] * weights[0] + a[tap] * weights[1] + a[2 * tap] * weights[2] + b[0] * weights[3] +
           b[tap] * weights[4] + b[2 * tap] * weights[5] + c[0] * weights[6] + c[tap] * weights[7] +
           c[2 * tap] * weights[8];
}

MIDGE_KERNEL int32_t midge_sum_plane(const int32_t *a, const int32_t *weights, const struct midge_depthwise_scalar *p) {
    const struct midge_window *w = &p->window;
    int32_t sum = 0;
    for (int32_t i = 0; i < w->kernel_h; i++) {
        for (int32_t j = 0; j < w->kernel_w; j++) {
            sum += a[j * w->dilation_w] * *weights++;
        }
        a += w->dilation_h * p->plane_columns;
    }
    return sum;
}

MIDGE_KERNEL void midge_depthwise_band(
    const int32_t *plane, const int32_t *weights, int32_t rows, int32_t channel, int8_t *y,
    const struct midge_depthwise_scalar *p) {
    const struct midge_window *w = &p->window;
    const int is_3x3 = w->kernel_h == 3 && w->kernel_w == 3;
    for (int32_t i = 0; i < rows; i++) {
        const int32_t *a = plane;
        for (int32_t j = 0; j < w->out_w; j++) {
            const int32_t sum = is_3x3 ? midge_sum_3x3(a, weights, w->dilation_h * p->plane_columns, w->dilation_w)
                                       : midge_sum_plane(a, weights, p);
            *y = midge_climb((uint32_t)sum, channel, &p->stairs);
            y += w->out_c;
            a += w->stride_w;
        }
        plane += w->stride_h * p->plane_columns;
    }
}

MIDGE_KERNEL void midge_depthwise_conv_2d_s8_scalar(
    const int8_t *x, int8_t *y, const int8_t *weights, int32_t *plane, const struct midge_depthwise_scalar *p) {
    const struct midge_window *w = &p->window;
    const int32_t multiplier = w->out_c / w->in_c, taps = w->kernel_h * w->kernel_w;
    int32_t *used = plane + p->plane_rows * p->plane_columns;
    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t first = 0; first < w->out_h; first += p->band) {
            const int32_t rows = midge_min(p->band, w->out_h - first);
            const int32_t top = first * w->stride_h - w->pad_top;
            const int32_t height = p->plane_rows - (p->band - rows) * w->stride_h;
            const struct midge_inside inside = midge_inside_of(top, height, p);
            const int8_t *source = x + (top + inside.first_row) * w->in_w * w->in_c;
            for (int32_t i = 0; i < height * p->plane_columns; i++) {
                plane[i] = p->x_zero;
            }
            for (int32_t c = 0; c < w->in_c; c++) {
                midge_widen_plane(source + c, plane, &inside, p);
                for (int32_t m = 0; m < multiplier; m++) {
                    const int32_t o = c * multiplier + m;
                    used[0] = rows;
                    for (int32_t t = 0; t < taps; t++) {
                        used[1 + t] = weights[t * w->out_c + o];
                    }
                    if (p->tile != NULL) {
                        p->tile(plane, used, p->stairs.channels + o * midge_stairs_words(&p->stairs), y + o);
                    } else {
                        midge_depthwise_band(plane, used + 1, rows, o, y + o, p);
                    }
                }
            }
            y += rows * w->out_w * w->out_c;
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
