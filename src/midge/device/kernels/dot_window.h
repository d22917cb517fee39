/* conv_2d with generated tiles that read windows from widened rows.
   flash .. flash_end: bias, weights and factors as the tile reads them; they are copied to `stage` unless it is NULL.
   rows: scratch of `kernel_h` rows of `copies` times `row_words` words, in which input rows stand as halves with
   their borders, in turn; then, if `outside`, a row of zero points.
   table: scratch of a pointer for each row of a window.
   rest: scratch of `tile_pixels` output pixels, for a last tile of a row that is not full; NULL where all are.
   An output row is written when the rows of its windows, and all before them, have been read. */
#include "dot_widen.h"
#include "window.h"

/* How a row's halves stand. */
enum midge_dot_order {
    MIDGE_DOT_NATURAL, /* as in the image. With two copies a row stands there twice, the second time one half further
                          down, so that a window that begins at an odd half begins on a word in one of them */
    MIDGE_DOT_FOURS,   /* as in the image, but 0 2 | 1 3 of every four channels, whose number is a multiple of 4 */
    MIDGE_DOT_SHARED   /* for each tile of two windows, and each two channels, the four columns that it covers */
};

struct midge_dot_window {
    struct midge_window window;
    enum midge_dot_order order;
    int32_t tile_pixels; /* pixels of a tile */
    int32_t row_words;   /* of one copy of a row */
    int32_t copies;
    int32_t tile_words; /* from a tile's windows to the next tile's */
    int outside;        /* 1: some rows of windows lie outside the image */
    int32_t x_zero;
};

/* Every column stands in two tiles: as column 0 or 1 of its own, as 2 or 3 of the one before. */
MIDGE_KERNEL void midge_widen_shared_row(const int8_t *source, uint32_t *row, const struct midge_dot_window *p) {
    const struct midge_window *w = &p->window;
    const int32_t tiles = (w->out_w + 1) / 2;
    for (int32_t j = 0; j < w->in_w; j++) {
        const int32_t column = j + w->pad_left, tile = column / 2;
        if (tile > tiles) {
            return;
        }
        uint32_t *here = row + tile * p->tile_words + column % 2;
        uint32_t *before = here - p->tile_words + 2;
        /* At the ends there is only one of them: it is written twice. */
        before = tile == 0 ? here : before;
        here = tile == tiles ? before : here;
        for (int32_t c = 0; c < w->in_c; c += 4) {
            const uint32_t word = midge_load_u32(source);
            const uint32_t even = midge_sxtb16(word), odd = midge_sxtb16_ror8(word);
            here[0] = even;
            here[4] = odd;
            before[0] = even;
            before[4] = odd;
            source += 4;
            here += 8;
            before += 8;
        }
    }
}

MIDGE_KERNEL void midge_widen_image_row(const int8_t *source, uint32_t *row, const struct midge_dot_window *p) {
    const struct midge_window *w = &p->window;
    if (p->order == MIDGE_DOT_SHARED) {
        midge_widen_shared_row(source, row, p);
        return;
    }
    if (p->order == MIDGE_DOT_FOURS) {
        midge_widen_pixel(source, w->in_w * w->in_c, row + w->pad_left * w->in_c / 2, 1);
        return;
    }
    uint8_t *halves = (uint8_t *)row + 2 * w->pad_left * w->in_c;
    midge_widen_row(source, w->in_w * w->in_c, halves);
    if (p->copies == 2) {
        midge_widen_row(source, w->in_w * w->in_c, halves + 4 * p->row_words + 2);
    }
}

MIDGE_KERNEL void midge_conv_2d_s8_dot_window(
    const int8_t *x, int8_t *y, const uint32_t *flash, const uint32_t *flash_end, uint32_t *stage, uint32_t *rows,
    const uint32_t **table, int8_t *rest, midge_dot_window_tile *tile, const struct midge_dot_window *p) {
    const uint32_t *stream = midge_stage(flash, flash_end, stage), *end = stream + (flash_end - flash);
    const struct midge_window *w = &p->window;
    const int32_t slot_words = p->copies * p->row_words;
    const int32_t slots = w->kernel_h + (p->outside ? 1 : 0);
    const uint32_t zeros = ((uint32_t)p->x_zero & 0xFFFFu) * 0x10001u;
    for (int32_t i = 0; i < slots * slot_words; i++) {
        rows[i] = zeros;
    }
    for (int32_t n = 0; n < w->batches; n++) {
        int32_t next = 0, turn = 0; /* the row to be widened, and its slot */
        for (int32_t i = 0; i < w->out_h; i++) {
            const int32_t first = i * w->stride_h - w->pad_top;
            const int32_t last = midge_min(first + w->kernel_h, w->in_h);
            for (; next < last; next++) {
                if (next >= first) {
                    midge_widen_image_row(x + next * w->in_w * w->in_c, rows + turn * slot_words, p);
                }
                turn = turn + 1 < w->kernel_h ? turn + 1 : 0;
            }
            for (int32_t k = 0; k < w->kernel_h; k++) {
                const int32_t row = first + k, back = turn - (next - row);
                const int32_t slot = back < 0 ? back + w->kernel_h : back;
                table[k] = rows + (row < 0 || row >= w->in_h ? w->kernel_h : slot) * slot_words;
            }
            const int32_t tiles = w->out_w / p->tile_pixels, whole = tiles * p->tile_pixels;
            if (tiles > 0) {
                tile(table, stream, y, end, tiles);
            }
            if (rest != NULL && whole < w->out_w) {
                tile(table, stream, rest, end, 1);
                MIDGE_COPY(y + whole * w->out_c, rest, (w->out_w - whole) * w->out_c);
            }
            y += w->out_w * w->out_c;
        }
        x += w->in_h * w->in_w * w->in_c;
    }
}
