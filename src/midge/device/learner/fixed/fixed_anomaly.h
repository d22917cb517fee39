/* How unusual a tick is: the tail probability of its one-step error, calibrated on the stream. Shares of ticks are Q29,
   surprises Q16. */
#include "fixed_past.h"

#define MIDGE_CERTAIN (INT32_C(1) << 29)
/* Share of ticks that a guess of the tail counts as, at most. */
#define MIDGE_MOST_GUESSED (MIDGE_TAIL / 4)

/* The surprise of a sample, in mean errors; the mean errors are followed. */
MIDGE_PART int32_t midge_surprise(MIDGE_LEARNER *s, const int32_t *sample, const uint8_t *known) {
    const int32_t ticks = s->counters[MIDGE_TICKS], rate = midge_rate(ticks + 1, MIDGE_RESIDUAL_RATE);
    int32_t surprise = 0;
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        if (!known[c]) {
            continue;
        }
        const int32_t error = midge_magnitude(sample[c] - s->expected[c]), residual = s->residual[c];
        const int32_t most = ticks > MIDGE_CLIP_AFTER ? midge_min(residual, MIDGE_LIMIT / 4) * 4 : MIDGE_LIMIT;
        const int32_t counted = midge_min(midge_min(error, MIDGE_LIMIT / 16) * 16, most);
        surprise = midge_max(surprise, midge_quotient(error, residual + 16, 20));
        s->residual[c] = midge_towards(residual, counted, rate, midge_dither(s));
    }
    return surprise;
}

/* Where in its bin a surprise lies, 0 to 1, Q24. */
MIDGE_KERNEL int32_t midge_place_in_bin(int32_t bin, int32_t surprise) {
    const int32_t low = bin > 0 ? midge_edges[bin] : 0;
    const int32_t high = bin + 1 < MIDGE_TAIL_BINS ? midge_edges[bin + 1] : 2 * low;
    return midge_min(midge_quotient(surprise - low, high - low, 24), INT32_C(1) << 24);
}

/* Shares of bins in the far tail fall by a constant factor a bin: so much of `above` is left at `place` of a bin. */
MIDGE_KERNEL int32_t midge_far_tail(const int32_t *tail, int32_t far, int32_t bin, int32_t above, int32_t place,
                                    int32_t guessed) {
    int32_t moment = guessed;
    for (int32_t k = far; k < MIDGE_TAIL_BINS; k++) {
        moment += tail[k] * (k - far);
    }
    const int32_t fall = midge_quotient(moment, moment + above + guessed, 24);
    int32_t out = midge_max(above, guessed);
    for (int32_t k = far; k < bin; k++) {
        out = midge_times(out, fall, 24);
    }
    return out - midge_times(out, midge_times((INT32_C(1) << 24) - fall, place, 24), 24);
}

MIDGE_KERNEL int32_t midge_tail_probability(const int32_t *tail, int32_t bin, int32_t place, int32_t guessed) {
    /* above: share of bin `far` and all higher ones, while it is at most MIDGE_TAIL; higher: of those over `bin`. */
    int32_t above = 0, sum = 0, higher = 0, far = MIDGE_TAIL_BINS;
    for (int32_t k = MIDGE_TAIL_BINS - 1; k >= 0; k--) {
        higher = k == bin ? sum : higher;
        sum = midge_min(sum + tail[k], MIDGE_CERTAIN);
        if (sum <= MIDGE_TAIL) {
            far = k;
            above = sum;
        }
    }
    if (bin >= far) {
        return midge_far_tail(tail, far, bin, above, place, guessed);
    }
    return higher + midge_times(tail[bin], (INT32_C(1) << 24) - place, 24);
}

/* The share of ticks that are expected to surprise as much; the histogram is followed. */
MIDGE_PART int32_t midge_probability(MIDGE_LEARNER *s, int32_t surprise) {
    const int32_t ticks = s->counters[MIDGE_TICKS] + 1, rate = midge_rate(ticks, MIDGE_TAIL_SLOWEST);
    int32_t bin = 0;
    while (bin + 1 < MIDGE_TAIL_BINS && midge_edges[bin + 1] <= surprise) {
        bin++;
    }
    const int32_t place = midge_place_in_bin(bin, surprise), guessed = MIDGE_GUESS * (rate >> 2);
    const int32_t bent = midge_times(place, (7 * (INT32_C(1) << 24) - 3 * place) >> 2, 24);
    const int32_t told = midge_tail_probability(s->tail, bin, bent, midge_min(guessed, MIDGE_MOST_GUESSED));
    for (int32_t k = 0; k < MIDGE_TAIL_BINS; k++) {
        s->tail[k] = midge_towards(s->tail[k], k == bin ? MIDGE_CERTAIN : 0, rate, midge_dither(s));
    }
    return midge_min(midge_max(told, MIDGE_CERTAIN / 8 / ticks), MIDGE_CERTAIN);
}
