/* How unusual a tick is: the tail probability of its one-step error, calibrated on the stream. */
#include "learner_past.h"

#define MIDGE_TAIL_MASS (MIDGE_TAIL * 0.25f)

/* The surprise of a sample, in mean errors; the mean errors are followed. */
MIDGE_PART float midge_surprise(MIDGE_LEARNER *s, const float *sample, const uint8_t *known) {
    const int32_t ticks = s->counters[MIDGE_TICKS];
    const float rate = midge_rate(ticks + 1, MIDGE_RESIDUAL_RATE);
    float surprise = 0.0f;
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        if (!known[c]) {
            continue;
        }
        const float error = midge_magnitude(sample[c] - s->expected[c]), residual = s->residual[c];
        const float counted = ticks > MIDGE_CLIP_AFTER ? midge_least(error, 4.0f * residual) : error;
        surprise = midge_most(surprise, midge_quotient(error, residual + 1e-6f));
        s->residual[c] = residual + rate * (counted - residual);
    }
    return surprise;
}

/* Where in its bin a surprise lies, 0 to 1. */
MIDGE_KERNEL float midge_place_in_bin(int32_t bin, float surprise) {
    const float low = bin > 0 ? midge_edges[bin] : 0.0f;
    const float high = bin + 1 < MIDGE_TAIL_BINS ? midge_edges[bin + 1] : 2.0f * low;
    return midge_least(midge_quotient(surprise - low, high - low), 1.0f);
}

/* Shares of bins in the far tail fall by a constant factor a bin: so much of `above` is left at the surprise. */
MIDGE_KERNEL float midge_far_tail(const float *tail, int32_t far, int32_t bin, float above, float surprise) {
    float moment = 0.0f;
    for (int32_t k = far; k < MIDGE_TAIL_BINS; k++) {
        moment += tail[k] * (float)(k - far);
    }
    moment = moment + MIDGE_TAIL_MASS;
    const float mass = above + MIDGE_TAIL_MASS;
    const float fall = midge_quotient(moment, moment + mass);
    float out = midge_most(above, MIDGE_TAIL_MASS);
    for (int32_t k = far; k < bin; k++) {
        out = out * fall;
    }
    return out * (1.0f - (1.0f - fall) * midge_place_in_bin(bin, surprise));
}

MIDGE_KERNEL float midge_tail_probability(const float *tail, int32_t bin, float surprise) {
    /* above: share of bin `far` and all higher ones, while it is at most MIDGE_TAIL; higher: of those over `bin`. */
    float above = 0.0f, sum = 0.0f, higher = 0.0f;
    int32_t far = MIDGE_TAIL_BINS;
    for (int32_t k = MIDGE_TAIL_BINS - 1; k >= 0; k--) {
        higher = k == bin ? sum : higher;
        sum = sum + tail[k];
        if (sum <= MIDGE_TAIL) {
            far = k;
            above = sum;
        }
    }
    if (bin >= far) {
        return midge_far_tail(tail, far, bin, above, surprise);
    }
    return higher + tail[bin] * (1.0f - midge_place_in_bin(bin, surprise));
}

/* The share of ticks that are expected to surprise as much; the histogram is followed. */
MIDGE_PART float midge_probability(MIDGE_LEARNER *s, float surprise) {
    const float ticks = (float)(s->counters[MIDGE_TICKS] + 1);
    const float rate = midge_rate(s->counters[MIDGE_TICKS] + 1, MIDGE_TAIL_SLOWEST);
    int32_t bin = 0;
    while (bin + 1 < MIDGE_TAIL_BINS && midge_edges[bin + 1] <= surprise) {
        bin++;
    }
    const float told = midge_tail_probability(s->tail, bin, surprise);
    for (int32_t k = 0; k < MIDGE_TAIL_BINS; k++) {
        s->tail[k] += rate * ((k == bin ? 1.0f : 0.0f) - s->tail[k]);
    }
    return midge_least(midge_most(told, midge_quotient(0.125f, ticks)), 1.0f);
}
