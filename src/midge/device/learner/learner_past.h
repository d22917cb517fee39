/* Samples that are past, in units of their channels. Time runs backwards: row 0 is the last sample. */
#include "learner.h"

MIDGE_KERNEL const float *midge_past_row(const MIDGE_LEARNER *s, int32_t ago) {
    const int32_t row = s->counters[MIDGE_POSITION] - 1 - ago;
    return s->ring[row < 0 ? row + MIDGE_RING : row];
}

/* From the user's units into a channel's. */
MIDGE_KERNEL float midge_normalised(const MIDGE_LEARNER *s, int32_t channel, float value) {
    const float units = (value - s->offset[channel]) * midge_inverse(s->scale[channel]);
    return midge_within(units, MIDGE_LARGEST_NORMALISED);
}

MIDGE_KERNEL float midge_in_user_units(const MIDGE_LEARNER *s, int32_t channel, float value) {
    return s->offset[channel] + s->scale[channel] * value;
}

MIDGE_KERNEL float midge_past(const MIDGE_LEARNER *s, int32_t ago, int32_t channel) {
    return midge_normalised(s, channel, midge_past_row(s, ago)[channel]);
}

/* As units see it: what is bounded more tightly needs no other bound. */
MIDGE_KERNEL float midge_past_feature(const MIDGE_LEARNER *s, int32_t ago, int32_t channel) {
    const float value = midge_past_row(s, ago)[channel];
    return midge_within((value - s->offset[channel]) * midge_inverse(s->scale[channel]), MIDGE_LARGEST_FEATURE);
}

/* What units see of the last samples. */
struct midge_view {
    float last[MIDGE_CHANNELS];               /* as it is */
    float lags[MIDGE_LAGS * MIDGE_CHANNELS]; /* as features, every channel at lag 0, then at lag 1, ... */
};

MIDGE_PART void midge_look_back(const MIDGE_LEARNER *s, struct midge_view *view) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const float offset = s->offset[c], inverse = midge_inverse(s->scale[c]);
        for (int32_t lag = 0; lag < MIDGE_LAGS; lag++) {
            const float value = (midge_past_row(s, lag)[c] - offset) * inverse;
            view->lags[lag * MIDGE_CHANNELS + c] = midge_within(value, MIDGE_LARGEST_FEATURE);
        }
    }
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        view->last[c] = midge_past(s, 0, c);
    }
}

#if MIDGE_CHANNELS % 4 == 0 && defined(__ARM_FP) && (__ARM_FP & 4)
/* sums: [4], plus coefficients, four rows of [channels], times features [4]. Loads come first and together: a Cortex-M4
   takes one cycle for a load behind another and two for one by itself. */
MIDGE_KERNEL void midge_add_block(float *sums, const float *coefficients, const float *f) {
    const float *const a = coefficients, *const b = a + MIDGE_CHANNELS, *const c = b + MIDGE_CHANNELS;
    const float *const d = c + MIDGE_CHANNELS;
    const float f0 = f[0], f1 = f[1], f2 = f[2], f3 = f[3], a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3];
    const float b0 = b[0], b1 = b[1], b2 = b[2], b3 = b[3], c0 = c[0], c1 = c[1], c2 = c[2], c3 = c[3];
    const float d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
    __asm__ volatile("" ::"t"(f0), "t"(f1), "t"(f2), "t"(f3), "t"(a0), "t"(a1), "t"(a2), "t"(a3), "t"(b0), "t"(b1),
                     "t"(b2), "t"(b3), "t"(c0), "t"(c1), "t"(c2), "t"(c3), "t"(d0), "t"(d1), "t"(d2), "t"(d3));
    sums[0] = sums[0] + a0 * f0 + b0 * f1 + c0 * f2 + d0 * f3;
    sums[1] = sums[1] + a1 * f0 + b1 * f1 + c1 * f2 + d1 * f3;
    sums[2] = sums[2] + a2 * f0 + b2 * f1 + c2 * f2 + d2 * f3;
    sums[3] = sums[3] + a3 * f0 + b3 * f1 + c3 * f2 + d3 * f3;
    __asm__ volatile("" ::"t"(sums[0]), "t"(sums[1]), "t"(sums[2]), "t"(sums[3]));
}

#define MIDGE_BLOCK 4
#else
MIDGE_KERNEL void midge_add_block(float *sum, const float *coefficient, const float *feature) {
    *sum += *coefficient * *feature;
}

#define MIDGE_BLOCK 1
#endif

/* sums: [channels], plus coefficients [channels][channels] times features [channels] of one lag. */
MIDGE_KERNEL void midge_add_lag(float *sums, const float (*coefficients)[MIDGE_CHANNELS], const float *features) {
    for (int32_t from = 0; from < MIDGE_CHANNELS; from += MIDGE_BLOCK) {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c += MIDGE_BLOCK) {
            midge_add_block(sums + c, coefficients[from] + c, features + from);
        }
    }
}

/* step: [channels], what joint coefficients make of lags. */
MIDGE_KERNEL void midge_joint_step(const float (*coefficients)[MIDGE_CHANNELS], const float *lags, float *step) {
    float sums[MIDGE_CHANNELS];
    MIDGE_COPY(sums, coefficients[0], sizeof sums);
    MIDGE_UNROLLED
    for (int32_t lag = 0; lag < MIDGE_JOINT_LAGS; lag++) {
        midge_add_lag(sums, coefficients + 1 + lag * MIDGE_CHANNELS, lags + lag * MIDGE_CHANNELS);
    }
    MIDGE_COPY(step, sums, sizeof sums);
}

/* What a channel's own coefficients, one in each row from `coefficients` on, make of its features. */
MIDGE_KERNEL float midge_own_step(const float *coefficients, const float *features, int32_t count) {
    float sum = coefficients[0];
    for (int32_t k = 1; k < count; k++) {
        sum += coefficients[k * MIDGE_CHANNELS] * features[k];
    }
    return sum;
}
