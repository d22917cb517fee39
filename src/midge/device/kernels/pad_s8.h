/* pad, int8: a border around up to six dimensions; the innermost runs are copied whole. */
#include "base.h"

#define MIDGE_PAD_RANK 6

struct midge_pad {
    int32_t extent[MIDGE_PAD_RANK]; /* of the input, outermost first */
    int32_t before[MIDGE_PAD_RANK];
    int32_t y_stride[MIDGE_PAD_RANK];
    int32_t y_size;
    int32_t zero;
};

MIDGE_KERNEL void midge_pad_s8(const int8_t *x, int8_t *y, const struct midge_pad *p) {
    const int32_t *n = p->extent, *s = p->y_stride;
    MIDGE_FILL(y, (int8_t)p->zero, p->y_size);
    for (int32_t d = 0; d < MIDGE_PAD_RANK; d++) {
        y += p->before[d] * s[d];
    }
    for (int32_t i0 = 0; i0 < n[0]; i0++) {
        for (int32_t i1 = 0; i1 < n[1]; i1++) {
            for (int32_t i2 = 0; i2 < n[2]; i2++) {
                for (int32_t i3 = 0; i3 < n[3]; i3++) {
                    for (int32_t i4 = 0; i4 < n[4]; i4++) {
                        MIDGE_COPY(y + i0 * s[0] + i1 * s[1] + i2 * s[2] + i3 * s[3] + i4 * s[4], x, n[5]);
                        x += n[5];
                    }
                }
            }
        }
    }
}
