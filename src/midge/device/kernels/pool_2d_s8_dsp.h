/* average_pool_2d and max_pool_2d, int8, four channels at a time. Taps outside the image do not count.
   A pixel is written while its window is read, each channel after all of its taps. */
#include "dsp.h"
#include "pool_2d.h"

struct midge_pool_2d_dsp {
    struct midge_window window; /* at most 255 taps: sums of a pool stay within 16 bits */
    int32_t low, high;
};

/* Bytes 0 and 2 of a word, sign-extended, added to both halves of the sums. */
MIDGE_KERNEL uint32_t midge_sxtab16(uint32_t sums, uint32_t word) {
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2" : "=r"(result) : "r"(sums), "r"(word));
    return result;
}

/* The same of bytes 1 and 3. */
MIDGE_KERNEL uint32_t midge_sxtab16_ror8(uint32_t sums, uint32_t word) {
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(sums), "r"(word));
    return result;
}

/* The greater of each of four signed bytes. */
MIDGE_KERNEL uint32_t midge_max_of_bytes(uint32_t a, uint32_t b) {
    uint32_t result;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b) : "cc");
    return result;
}

/* sum / count, rounded half away from zero; `all` is the count of a window that lies inside, which is a constant. */
MIDGE_KERNEL int8_t midge_mean_s8(int32_t sum, int32_t count, int32_t all, const struct midge_pool_2d_dsp *p) {
    const int32_t mean = count == all ? (sum > 0 ? sum + all / 2 : sum - all / 2) / all
                                      : (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
    return midge_clamp_s8(mean, p->low, p->high);
}

MIDGE_KERNEL int32_t midge_half(uint32_t word, int32_t place) { return (int16_t)(uint16_t)(word >> (16 * place)); }

/* Means of `words` times four channels of a window, from its first tap on; at most two words. */
MIDGE_KERNEL void midge_average_words(
    const int8_t *x, int8_t *y, int32_t rows, int32_t columns, int32_t words, const struct midge_pool_2d_dsp *p) {
    const struct midge_window *w = &p->window;
    uint32_t even[2] = {0, 0}, odd[2] = {0, 0};
    for (int32_t r = 0; r < rows; r++) {
        const int8_t *tap = x + r * w->in_w * w->in_c;
        for (int32_t k = 0; k < columns; k++) {
            for (int32_t i = 0; i < words; i++) {
                const uint32_t word = midge_load_u32(tap + 4 * i);
                even[i] = midge_sxtab16(even[i], word);
                odd[i] = midge_sxtab16_ror8(odd[i], word);
            }
            tap += w->in_c;
        }
    }
    const int32_t all = w->kernel_h * w->kernel_w, count = rows * columns;
    for (int32_t i = 0; i < words; i++) {
        y[4 * i] = midge_mean_s8(midge_half(even[i], 0), count, all, p);
        y[4 * i + 1] = midge_mean_s8(midge_half(odd[i], 0), count, all, p);
        y[4 * i + 2] = midge_mean_s8(midge_half(even[i], 1), count, all, p);
        y[4 * i + 3] = midge_mean_s8(midge_half(odd[i], 1), count, all, p);
    }
}

/* Means of all channels of a window, from its first tap on. */
MIDGE_KERNEL void midge_average_window(
    const int8_t *x, int8_t *y, int32_t rows, int32_t columns, const struct midge_pool_2d_dsp *p) {
    const struct midge_window *w = &p->window;
    int32_t c = 0;
    for (; c + 8 <= w->in_c; c += 8) {
        midge_average_words(x + c, y + c, rows, columns, 2, p);
    }
    if (c + 4 <= w->in_c) {
        midge_average_words(x + c, y + c, rows, columns, 1, p);
        c += 4;
    }
    for (; c < w->in_c; c++) {
        int32_t sum = 0;
        for (int32_t r = 0; r < rows; r++) {
            for (int32_t k = 0; k < columns; k++) {
                sum += x[(r * w->in_w + k) * w->in_c + c];
            }
        }
        y[c] = midge_mean_s8(sum, rows * columns, w->kernel_h * w->kernel_w, p);
    }
}

/* Maxima of all channels of a window, from its first tap on. */
MIDGE_KERNEL void midge_max_window(
    const int8_t *x, int8_t *y, int32_t rows, int32_t columns, const struct midge_pool_2d_dsp *p) {
    const struct midge_window *w = &p->window;
    int32_t c = 0;
    for (; c + 4 <= w->in_c; c += 4) {
        uint32_t greatest = 0x80808080u;
        for (int32_t r = 0; r < rows; r++) {
            const int8_t *tap = x + r * w->in_w * w->in_c + c;
            for (int32_t k = 0; k < columns; k++) {
                greatest = midge_max_of_bytes(greatest, midge_load_u32(tap));
                tap += w->in_c;
            }
        }
        for (int32_t i = 0; i < 4; i++) {
            y[c + i] = midge_clamp_s8((int8_t)(uint8_t)(greatest >> (8 * i)), p->low, p->high);
        }
    }
    for (; c < w->in_c; c++) {
        int32_t greatest = INT8_MIN;
        for (int32_t r = 0; r < rows; r++) {
            for (int32_t k = 0; k < columns; k++) {
                greatest = midge_max(greatest, x[(r * w->in_w + k) * w->in_c + c]);
            }
        }
        y[c] = midge_clamp_s8(greatest, p->low, p->high);
    }
}

/* A pooling kernel that calls `window` for each window, clipped to the image. */
#define MIDGE_POOL_2D_S8_DSP(name, window_kernel)                                                                      \
    MIDGE_KERNEL void name(const int8_t *x, int8_t *y, const struct midge_pool_2d_dsp *p) {                            \
        const struct midge_window *w = &p->window;                                                                     \
        for (int32_t n = 0; n < w->batches; n++) {                                                                     \
            for (int32_t i = 0; i < w->out_h; i++) {                                                                   \
                const struct midge_span rows = midge_clip(i * w->stride_h - w->pad_top, w->kernel_h, w->in_h);         \
                for (int32_t j = 0; j < w->out_w; j++) {                                                               \
                    const struct midge_span columns = midge_clip(j * w->stride_w - w->pad_left, w->kernel_w, w->in_w); \
                    window_kernel(                                                                                     \
                        x + (rows.first * w->in_w + columns.first) * w->in_c, y, rows.last - rows.first,               \
                        columns.last - columns.first, p);                                                              \
                    y += w->in_c;                                                                                      \
                }                                                                                                      \
            }                                                                                                          \
            x += w->in_h * w->in_w * w->in_c;                                                                          \
        }                                                                                                              \
    }

MIDGE_POOL_2D_S8_DSP(midge_average_pool_2d_s8_dsp, midge_average_window)
MIDGE_POOL_2D_S8_DSP(midge_max_pool_2d_s8_dsp, midge_max_window)
