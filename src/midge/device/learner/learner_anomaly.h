/* How unusual a tick is: the tail probability of its one-step error, calibrated on the stream. */
#include "learner_past.h"
#include "learner_tail.h"

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

/* The share of ticks that are expected to surprise as much; the histogram is followed. */
MIDGE_PART float midge_probability(MIDGE_LEARNER *s, float surprise) {
    int32_t bin = 0;
    while (bin + 1 < MIDGE_TAIL_BINS && midge_edges[bin + 1] <= surprise) {
        bin++;
    }
    const float place = midge_place_in_bin(bin, surprise);
    const float bent = place * (1.75f - 0.75f * place);
    return midge_rank(s->tail, s->counters[MIDGE_TICKS], bin, bent, MIDGE_GUESS);
}
