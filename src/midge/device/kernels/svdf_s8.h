/* svdf, int8, memory and time weights of int8 or int16, portable C.
   feature [filters][features]; offset [filters] with -x_zero * sum(feature); time [filters][steps];
   bias [filters / rank], unless is_long with -memory_zero * sum(time) folded in;
   memory [batches][filters][steps], rewritten in place.
   A row is written while it is read. Sums over features do not leave int32. */
#include "requantize.h"

struct midge_svdf {
    int32_t batches, features, filters, rank, steps;
    int32_t wide;    /* 1: memory and time weights are int16 */
    int32_t is_long; /* 1: sums over time may leave int32, and are then held at its ends */
    int32_t memory_zero, memory_low, memory_high;
    int32_t y_zero;
    struct midge_factors entering, leaving;
};

/* Where the next filter stands, and the sum of its unit. */
struct midge_svdf_place {
    int8_t *y;
    uint8_t *memory;
    const uint8_t *time;
    const int32_t *bias;
    int64_t sum;     /* of the unit, so far */
    int32_t filters; /* likewise */
};

/* The oldest value leaves, the newest enters; returns the filter's product with its time weights. */
#define MIDGE_SVDF_REMEMBER(name, element, total) \
    MIDGE_KERNEL total name(element *memory, const element *time, int32_t steps, int32_t newest, int32_t zero) { \
        total sum = 0; \
        for (int32_t j = 0; j < steps - 1; j++) { \
            memory[j] = memory[j + 1]; \
            sum += (total)(memory[j] - zero) * time[j]; \
        } \
        memory[steps - 1] = (element)newest; \
        return sum + (total)(memory[steps - 1] - zero) * time[steps - 1]; \
    }

MIDGE_SVDF_REMEMBER(midge_remember_s8, int8_t, int32_t)
MIDGE_SVDF_REMEMBER(midge_remember_long_s8, int8_t, int64_t)
MIDGE_SVDF_REMEMBER(midge_remember_s16, int16_t, int32_t)
MIDGE_SVDF_REMEMBER(midge_remember_long_s16, int16_t, int64_t)

MIDGE_KERNEL int64_t midge_svdf_over_time(struct midge_svdf_place *at, int32_t newest, const struct midge_svdf *p) {
    int64_t sum;
    if (p->wide) {
        int16_t *memory = (int16_t *)(void *)at->memory;
        const int16_t *time = (const int16_t *)(const void *)at->time;
        sum = p->is_long ? midge_remember_long_s16(memory, time, p->steps, newest, p->memory_zero)
                         : midge_remember_s16(memory, time, p->steps, newest, 0);
    } else {
        int8_t *memory = (int8_t *)at->memory;
        const int8_t *time = (const int8_t *)at->time;
        sum = p->is_long ? midge_remember_long_s8(memory, time, p->steps, newest, p->memory_zero)
                         : midge_remember_s8(memory, time, p->steps, newest, 0);
    }
    at->memory += p->wide ? 2 * p->steps : p->steps;
    at->time += p->wide ? 2 * p->steps : p->steps;
    return sum;
}

/* One filter, from its sum over features on. A zero point is added behind the memory's clamp, and wraps around where
   that leaves the type. */
MIDGE_KERNEL void midge_svdf_filter(struct midge_svdf_place *at, int32_t features, const struct midge_svdf *p) {
    const int32_t scaled = midge_rescale(features, midge_factor_of(&p->entering, 0), &p->entering);
    const int32_t newest = midge_min(midge_max(scaled, p->memory_low), p->memory_high) + p->memory_zero;
    if (at->filters == 0) {
        at->sum = *at->bias++;
    }
    at->sum += midge_svdf_over_time(at, newest, p);
    at->filters++;
    if (at->filters == p->rank) {
        const int64_t held = at->sum > INT32_MAX ? INT32_MAX : at->sum < INT32_MIN ? INT32_MIN : at->sum;
        const int32_t sum = (int32_t)(p->is_long ? held : at->sum);
        const int32_t result = midge_rescale(sum, midge_factor_of(&p->leaving, 0), &p->leaving);
        *at->y++ = midge_clamp_s8(result + p->y_zero, -128, 127);
        at->filters = 0;
    }
}

MIDGE_KERNEL void midge_svdf_s8(
    const int8_t *x, int8_t *y, void *memory, const int8_t *feature, const int32_t *offset, const void *time,
    const int32_t *bias, const struct midge_svdf *p) {
    struct midge_svdf_place at = {y, memory, time, bias, 0, 0};
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *weights = feature;
        at.time = time;
        at.bias = bias;
        for (int32_t f = 0; f < p->filters; f++) {
            int32_t sum = offset[f];
            for (int32_t k = 0; k < p->features; k++) {
                sum += x[k] * *weights++;
            }
            midge_svdf_filter(&at, sum, p);
        }
        x += p->features;
    }
}
