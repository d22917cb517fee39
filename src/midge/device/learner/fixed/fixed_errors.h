/* Errors of the regimes, and what `regimes.h` asks of integers: numbers are Q20, shares Q24, rates Q31. */
#include "fixed_mixing.h"

typedef int32_t midge_number;
#define MIDGE_TINY 1 /* added to what divides */

MIDGE_KERNEL int32_t midge_smaller(int32_t a, int32_t b) { return midge_min(a, b); }

MIDGE_KERNEL int32_t midge_larger(int32_t a, int32_t b) { return midge_max(a, b); }

MIDGE_KERNEL int32_t midge_scaled(int32_t a, int32_t b) { return midge_times(a, b, 20); }

MIDGE_KERNEL int32_t midge_part(int32_t whole, int32_t share) { return midge_times(whole, share, 24); }

MIDGE_KERNEL int32_t midge_ratio(int32_t a, int32_t b) { return midge_quotient(a, b, 20); }

MIDGE_KERNEL int32_t midge_share(int32_t a, int32_t b) { return midge_quotient(a, b, 24); }

MIDGE_KERNEL int32_t midge_number_of(int32_t share) { return share >> 4; }

MIDGE_KERNEL int32_t midge_bounded_ratio(int32_t a, int32_t b, int32_t limit) {
    const int32_t ratio = midge_min(midge_quotient(midge_magnitude(a), b, 20), limit);
    return a < 0 ? -ratio : ratio;
}

MIDGE_KERNEL int32_t midge_twice(int32_t value) { return midge_min(value, MIDGE_LIMIT / 2) * 2; }

MIDGE_KERNEL int32_t midge_with_room(int32_t evidence, int32_t room) { return midge_min(evidence, MIDGE_LIMIT - room); }

MIDGE_KERNEL int32_t midge_kept(int32_t evidence) { return midge_max(evidence, -MIDGE_LIMIT - 1); }

MIDGE_KERNEL int32_t midge_followed(const MIDGE_LEARNER *s, int32_t mean, int32_t seen, int32_t rate) {
    return midge_towards(mean, seen, rate, midge_dither(s));
}

/* What the errors of a tick's forecasts are measured in: the inverse of each channel's mean error. */
struct midge_measure {
    int32_t inverse[MIDGE_CHANNELS], places[MIDGE_CHANNELS];
};

MIDGE_KERNEL void midge_new_measure(const MIDGE_LEARNER *s, struct midge_measure *measure) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const uint32_t residual = (uint32_t)(s->residual[c] + 16);
        const int32_t digits = midge_digits(residual);
        measure->inverse[c] = midge_reciprocal(midge_filled(residual, digits));
        measure->places[c] = 6 + digits;
    }
}

/* Mean over channels of squared errors of one-step forecasts, in mean errors, Q20. */
MIDGE_PART int32_t midge_relative_square(const struct midge_measure *measure, const int32_t (*coefficients)[MIDGE_CHANNELS],
                                         const struct midge_view *view, const int32_t *sample, const uint8_t *known) {
    int32_t told[MIDGE_CHANNELS];
    uint32_t sum = 0u;
    midge_joint_step(coefficients, view->lags, told);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        if (known[c]) {
            const int32_t error = midge_narrow((int64_t)(sample[c] - view->last[c]) - told[c]);
            const int64_t relative = midge_product(midge_magnitude(error), measure->inverse[c]) >> measure->places[c];
            const int32_t bounded = (int32_t)(relative < MIDGE_LARGEST_SURPRISE ? relative : MIDGE_LARGEST_SURPRISE);
            sum += (uint32_t)midge_rounded(midge_product(bounded, bounded), 20);
        }
    }
    return (int32_t)(sum / MIDGE_CHANNELS);
}

/* Follow the errors of all regimes: that of the joint unit at this tick, and squares of [known regimes]. */
MIDGE_KERNEL int32_t midge_follow_errors(MIDGE_LEARNER *s, const struct midge_view *view, const int32_t *sample,
                                         const uint8_t *known, int32_t *squares) {
    const uint32_t dither = midge_dither(s);
    struct midge_measure measure;
    midge_new_measure(s, &measure);
    const int32_t error =
        midge_relative_square(&measure, (const int32_t(*)[MIDGE_CHANNELS])s->joint, view, sample, known);
    s->watch[MIDGE_ERROR] = midge_towards(s->watch[MIDGE_ERROR], error, MIDGE_RECENT, dither);
    for (int32_t place = 0; place < s->counters[MIDGE_KNOWN]; place++) {
        const int32_t (*const regime)[MIDGE_CHANNELS] = (const int32_t(*)[MIDGE_CHANNELS])s->pool[place];
        squares[place] = midge_relative_square(&measure, regime, view, sample, known);
        s->pool_error[place] = midge_towards(s->pool_error[place], squares[place], MIDGE_RECENT, dither);
    }
    return error;
}
