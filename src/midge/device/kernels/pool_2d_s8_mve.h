/* average_pool_2d and max_pool_2d, int8, with Helium: four or 16 channels of a pixel at a time. Taps outside the image do
   not count. A pixel is written while its window is read, each channel after all of its taps. */
#include "pool_2d.h"
#include "rescale_mve.h"

struct midge_pool_2d_mve {
    struct midge_window window;
    int32_t low, high;
};

/* A window's part of the image: rows of `columns` pixels, `row_bytes` from one to the next. */
struct midge_taps_mve {
    const int8_t *at;
    int32_t rows, columns, row_bytes;
};

MIDGE_KERNEL struct midge_taps_mve midge_taps_of_mve(
    const int8_t *image, struct midge_span rows, struct midge_span columns, const struct midge_window *w) {
    struct midge_taps_mve taps = {
        image + (rows.first * w->in_w + columns.first) * w->in_c, rows.last - rows.first, columns.last - columns.first,
        w->in_w * w->in_c};
    if (taps.columns == w->in_w) {
        /* Rows follow one another. */
        taps.columns *= taps.rows;
        taps.rows = 1;
    }
    return taps;
}

/* sum / count, rounded half away from zero, for count up to 4096 and sums of so many bytes: with n below 2^20 and
   M = floor(2^32 / count) + 1, or 2^32 / count, floor(n * M / 2^32) is floor(n / count), as n * count < 2^32. */
MIDGE_KERNEL int32x4_t midge_mean_mve(int32x4_t sums, int32_t count) {
    if (count == 1) {
        return sums;
    }
    const uint32_t reciprocal = UINT32_MAX / (uint32_t)count + 1u;
    const uint32x4_t raised = vreinterpretq_u32_s32(vaddq_n_s32(vabsq_s32(sums), count / 2));
    const int32x4_t mean = vreinterpretq_s32_u32(vmulhq_u32(raised, vdupq_n_u32(reciprocal)));
    const int32x4_t sign = vshrq_n_s32(sums, 31);
    return vsubq_s32(veorq_s32(mean, sign), sign);
}

MIDGE_KERNEL int32x4_t midge_sum_of_taps_mve(
    struct midge_taps_mve taps, int32_t in_c, int32_t channels, mve_pred16_t there) {
    int32x4_t sums = vdupq_n_s32(0);
    for (int32_t r = 0; r < taps.rows; r++) {
        const int8_t *at = taps.at + r * taps.row_bytes;
        for (int32_t k = 0; k < taps.columns; k++) {
            sums = vaddq_s32(sums, channels >= 4 ? vldrbq_s32(at) : vldrbq_z_s32(at, there));
            at += in_c;
        }
    }
    return sums;
}

MIDGE_KERNEL int8x16_t midge_max_of_taps_mve(
    struct midge_taps_mve taps, int32_t in_c, int32_t channels, mve_pred16_t there) {
    int8x16_t held = vdupq_n_s8(INT8_MIN);
    for (int32_t r = 0; r < taps.rows; r++) {
        const int8_t *at = taps.at + r * taps.row_bytes;
        for (int32_t k = 0; k < taps.columns; k++) {
            held = vmaxq_s8(held, channels >= 16 ? vldrbq_s8(at) : vldrbq_z_s8(at, there));
            at += in_c;
        }
    }
    return held;
}

MIDGE_KERNEL void midge_average_pixel_mve(
    struct midge_taps_mve taps, int8_t *y, const struct midge_pool_2d_mve *p) {
    const int32_t count = taps.rows * taps.columns;
    for (int32_t left = p->window.in_c; left > 0; left -= 4) {
        const int32x4_t sums = midge_sum_of_taps_mve(taps, p->window.in_c, left, vctp32q((uint32_t)left));
        midge_store_mve(y, midge_clamp_mve(midge_mean_mve(sums, count), p->low, p->high), left);
        taps.at += 4;
        y += 4;
    }
}

MIDGE_KERNEL void midge_max_pixel_mve(struct midge_taps_mve taps, int8_t *y, const struct midge_pool_2d_mve *p) {
    for (int32_t left = p->window.in_c; left > 0; left -= 16) {
        const mve_pred16_t there = vctp8q((uint32_t)left);
        const int8x16_t held = midge_max_of_taps_mve(taps, p->window.in_c, left, there);
        const int8x16_t raised = vmaxq_s8(held, vdupq_n_s8((int8_t)p->low));
        vstrbq_p_s8(y, vminq_s8(raised, vdupq_n_s8((int8_t)p->high)), there);
        taps.at += 16;
        y += 16;
    }
}

#define MIDGE_POOL_2D_MVE(name, pixel)                                                                                 \
    MIDGE_KERNEL void name(const int8_t *x, int8_t *y, const struct midge_pool_2d_mve *p) {                            \
        const struct midge_window *w = &p->window;                                                                     \
        for (int32_t n = 0; n < w->batches; n++) {                                                                     \
            for (int32_t i = 0; i < w->out_h; i++) {                                                                   \
                const struct midge_span rows = midge_clip(i * w->stride_h - w->pad_top, w->kernel_h, w->in_h);         \
                for (int32_t j = 0; j < w->out_w; j++) {                                                               \
                    const struct midge_span columns = midge_clip(j * w->stride_w - w->pad_left, w->kernel_w, w->in_w); \
                    pixel(midge_taps_of_mve(x, rows, columns, w), y, p);                                               \
                    y += w->in_c;                                                                                      \
                }                                                                                                      \
            }                                                                                                          \
            x += w->in_h * w->in_w * w->in_c;                                                                          \
        }                                                                                                              \
    }
MIDGE_POOL_2D_MVE(midge_average_pool_2d_s8_mve, midge_average_pixel_mve)
MIDGE_POOL_2D_MVE(midge_max_pool_2d_s8_mve, midge_max_pixel_mve)
