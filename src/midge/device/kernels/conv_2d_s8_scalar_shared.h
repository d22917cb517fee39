/* conv_2d, int8, as conv_2d_s8_scalar.h, but one function for all its layers, which learns their sizes when it runs:
   some instructions more for an output, one or two kilobytes less for a layer. */
#include "conv_2d_s8_scalar.h"

static __attribute__((noinline)) void midge_conv_2d_s8_scalar_shared(
    const int8_t *x, int8_t *y, const uint32_t *weights, const uint16_t *places, const uint16_t *offsets,
    uint32_t *column, const struct midge_conv_2d_scalar *p) {
    midge_conv_2d_s8_scalar(x, y, weights, places, offsets, column, NULL, NULL, p);
}
