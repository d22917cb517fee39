/* add and sub, int8, operands and output of one shape, by a line that equals every rounded sum: see the tile. */
#include "dsp.h"

struct midge_add_line_numbers {
    int32_t factor_a, factor_b, start, addend;
    const int8_t *end; /* of operand a */
};

/* The elements of a up to the end, eight at a time. */
typedef void midge_add_tile(
    const int8_t *a, const int8_t *b, int8_t *y, const struct midge_add_line_numbers *line);

struct midge_add_line {
    int32_t count;
    int32_t factor_a, factor_b, start;
    int32_t cut; /* of a product of factor and operand: to the right */
    int32_t addend, shift, low, high;
    int is_signed; /* a negative sum loses one unit before the addend */
};

MIDGE_KERNEL int8_t midge_add_on_line(int8_t a, int8_t b, const struct midge_add_line *p) {
    const int64_t of_a = (int64_t)p->factor_a * a, of_b = (int64_t)p->factor_b * b;
    int32_t sum = p->start + (int32_t)(of_a >> p->cut) + (int32_t)(of_b >> p->cut);
    sum += p->is_signed ? (sum >> 31) + p->addend : 0;
    return midge_clamp_s8(sum >> p->shift, p->low, p->high);
}

/* Elements are read eight at a time, before they are written. */
MIDGE_KERNEL void midge_add_s8_line(
    const int8_t *a, const int8_t *b, int8_t *y, midge_add_tile *tile, const struct midge_add_line *p) {
    const int32_t whole = p->count / 8 * 8;
    if (whole > 0) {
        const struct midge_add_line_numbers line = {p->factor_a, p->factor_b, p->start, p->addend, a + whole};
        tile(a, b, y, &line);
    }
    for (int32_t i = whole; i < p->count; i++) {
        y[i] = midge_add_on_line(a[i], b[i], p);
    }
}
