/* Windows of the output around pixels of the input, as the output sees them. */
#include "base.h"

struct midge_transpose_window {
    int32_t batches, in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t kernel_h, kernel_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
};

/* Inputs that reach an output along one dimension; input k through tap `output + pad - k * stride`. */
struct midge_sources {
    int32_t first, end;
};

/* position: output + pad. */
MIDGE_KERNEL struct midge_sources midge_sources_of(
    int32_t position, int32_t taps, int32_t stride, int32_t extent) {
    const int32_t before = position - taps; /* the last position that is out of reach, in steps of the output */
    struct midge_sources sources = {0, 0};
    if (before >= 0) {
        sources.first = (int32_t)((uint32_t)before / (uint32_t)stride) + 1;
    }
    sources.end = midge_min((int32_t)((uint32_t)position / (uint32_t)stride) + 1, extent);
    return sources;
}
