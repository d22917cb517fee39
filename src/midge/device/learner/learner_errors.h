/* Errors of the regimes, and what `regimes.h` asks of float32. */
#include "learner_mixing.h"

typedef float midge_number;
#define MIDGE_ONE 1.0f
#define MIDGE_TINY 1e-6f /* added to what divides */

MIDGE_KERNEL float midge_smaller(float a, float b) { return midge_least(a, b); }

MIDGE_KERNEL float midge_larger(float a, float b) { return midge_most(a, b); }

MIDGE_KERNEL float midge_scaled(float a, float b) { return a * b; }

MIDGE_KERNEL float midge_part(float whole, float share) { return share * whole; }

MIDGE_KERNEL float midge_ratio(float a, float b) { return midge_quotient(a, b); }

MIDGE_KERNEL float midge_share(float a, float b) { return midge_quotient(a, b); }

MIDGE_KERNEL float midge_number_of(float share) { return share; }

MIDGE_KERNEL float midge_bounded_ratio(float a, float b, float limit) { return midge_within(midge_quotient(a, b), limit); }

MIDGE_KERNEL float midge_twice(float value) { return 2.0f * value; }

MIDGE_KERNEL float midge_with_room(float evidence, float room) {
    (void)room;
    return evidence;
}

MIDGE_KERNEL float midge_kept(float evidence) { return evidence; }

MIDGE_KERNEL float midge_followed(const MIDGE_LEARNER *s, float mean, float seen, float rate) {
    (void)s;
    return mean + rate * (seen - mean);
}

/* The place of the regime that forecasts best lately; -1 if there is none. */
MIDGE_KERNEL int32_t midge_best_regime(const MIDGE_LEARNER *s) {
    int32_t best = s->counters[MIDGE_KNOWN] > 0 ? 0 : -1;
    for (int32_t place = 1; place < s->counters[MIDGE_KNOWN]; place++) {
        best = s->pool_error[place] < s->pool_error[best] ? place : best;
    }
    return best;
}

/* Mean over channels of squared errors of one-step forecasts, in units of the residual's. */
MIDGE_PART float midge_relative_square(const MIDGE_LEARNER *s, const float (*coefficients)[MIDGE_CHANNELS],
                                       const struct midge_view *view, const float *sample, const uint8_t *known) {
    float told[MIDGE_CHANNELS], sum = 0.0f;
    midge_joint_step(coefficients, view->lags, told);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        if (known[c]) {
            const float relative = midge_quotient(sample[c] - view->last[c] - told[c], s->residual[c] + 1e-6f);
            sum += midge_least(relative * relative, MIDGE_LARGEST_SURPRISE);
        }
    }
    return midge_quotient(sum, (float)MIDGE_CHANNELS);
}

/* Follow the errors of all regimes: that of the joint unit at this tick, and squares of [known regimes]. */
MIDGE_KERNEL float midge_follow_errors(MIDGE_LEARNER *s, const struct midge_view *view, const float *sample,
                                       const uint8_t *known, float *squares) {
    const float error = midge_relative_square(s, (const float(*)[MIDGE_CHANNELS])s->joint, view, sample, known);
    s->watch[MIDGE_ERROR] += MIDGE_RECENT * (error - s->watch[MIDGE_ERROR]);
    for (int32_t place = 0; place < s->counters[MIDGE_KNOWN]; place++) {
        const float (*const regime)[MIDGE_CHANNELS] = (const float(*)[MIDGE_CHANNELS])s->pool[place];
        squares[place] = midge_relative_square(s, regime, view, sample, known);
        s->pool_error[place] += MIDGE_RECENT * (squares[place] - s->pool_error[place]);
    }
    return error;
}
