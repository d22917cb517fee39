/* resize_bilinear, float32: each output pixel is mixed from the four input pixels around its position.
   Pixels are written row by row; the input is read at will. */
#include "float32.h"

struct midge_resize_f32 {
    int32_t batches, in_h, in_w, channels, out_h, out_w;
    float step_h, step_w;
    int has_half_pixel_centers;
};

struct midge_neighbours_f32 {
    int32_t first, second;
    float weight;
};

MIDGE_KERNEL struct midge_neighbours_f32 midge_neighbours_of_f32(
    int32_t index, float step, int32_t extent, const struct midge_resize_f32 *p) {
    struct midge_neighbours_f32 found;
    const float number = (float)index;
    const float position = p->has_half_pixel_centers ? (number + 0.5f) * step - 0.5f : number * step;
    /* Never under -1/2: cut to a whole number it is at least 0. */
    const int32_t whole = (int32_t)position;
    found.first = midge_min(whole, extent - 1);
    found.second = midge_min(whole + (position > (float)whole ? 1 : 0), extent - 1);
    found.weight = position - (float)found.first;
    return found;
}

MIDGE_KERNEL void midge_resize_bilinear_f32(const float *x, float *y, const struct midge_resize_f32 *p) {
    for (int32_t n = 0; n < p->batches; n++) {
        for (int32_t i = 0; i < p->out_h; i++) {
            const struct midge_neighbours_f32 v = midge_neighbours_of_f32(i, p->step_h, p->in_h, p);
            const float *upper = x + v.first * p->in_w * p->channels, *lower = x + v.second * p->in_w * p->channels;
            const float lower_weight = v.weight, upper_weight = 1.0f - v.weight;
            for (int32_t j = 0; j < p->out_w; j++) {
                const struct midge_neighbours_f32 h = midge_neighbours_of_f32(j, p->step_w, p->in_w, p);
                const int32_t left = h.first * p->channels, right = h.second * p->channels;
                const float right_weight = h.weight, left_weight = 1.0f - h.weight;
                for (int32_t c = 0; c < p->channels; c++) {
                    float mixture = upper[left + c] * upper_weight * left_weight;
                    mixture += lower[left + c] * lower_weight * left_weight;
                    mixture += upper[right + c] * upper_weight * right_weight;
                    mixture += lower[right + c] * lower_weight * right_weight;
                    /* Turns a negative zero into a positive one, as adding no rounding offset does. */
                    *y++ = mixture + 0.0f;
                }
            }
        }
        x += p->in_h * p->in_w * p->channels;
    }
}
