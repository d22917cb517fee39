/* How unusual a number is among those before it: a histogram over bins, and a power law beyond its last part. */
#include "learner.h"

/* Share of numbers that a guess of the tail counts as, at most. */
#define MIDGE_MOST_GUESSED (MIDGE_TAIL * 0.25f)

/* Most bins never see a number. Without an FPU little is as cheap as to pass them by. */
MIDGE_KERNEL int midge_is_empty(float share) { return midge_bits_f32(share) == 0u; }

/* Shares of bins in the far tail fall by a constant factor a bin: so much of `above` is left at `place` of a bin. */
MIDGE_KERNEL float midge_far_tail(const float *tail, int32_t far, int32_t bin, float above, float place,
                                  float guessed) {
    float moment = 0.0f;
    for (int32_t k = far; k < MIDGE_TAIL_BINS; k++) {
        moment += tail[k] * (float)(k - far);
    }
    moment = moment + guessed;
    const float mass = above + guessed;
    const float fall = midge_quotient(moment, moment + mass);
    float out = midge_most(above, guessed);
    for (int32_t k = far; k < bin; k++) {
        out = out * fall;
    }
    return out * (1.0f - (1.0f - fall) * place);
}

MIDGE_KERNEL float midge_tail_probability(const float *tail, int32_t bin, float place, float guessed) {
    /* above: share of bin `far` and all higher ones, while it is at most MIDGE_TAIL; higher: of those over `bin`. */
    float above = 0.0f, sum = 0.0f, higher = 0.0f;
    int32_t far = MIDGE_TAIL_BINS;
    for (int32_t k = MIDGE_TAIL_BINS - 1; k >= 0 && (k >= bin || far == k + 1); k--) {
        higher = k == bin ? sum : higher;
        sum = midge_is_empty(tail[k]) ? sum : sum + tail[k];
        if (!midge_is_beyond(sum, MIDGE_TAIL)) {
            far = k;
            above = sum;
        }
    }
    return bin >= far ? midge_far_tail(tail, far, bin, above, place, guessed) : higher + tail[bin] * (1.0f - place);
}

/* The share of numbers that are expected to be as large as one at `place` (0 to 1) of a bin; then it counts.
   tail: the share of each bin. count: numbers before. guess: numbers that the guess of the tail counts as. */
MIDGE_KERNEL float midge_rank(float *tail, int32_t count, int32_t bin, float place, float guess) {
    const float rate = midge_rate(count + 1, MIDGE_TAIL_SLOWEST);
    const float guessed = midge_least(guess * rate, MIDGE_MOST_GUESSED), hit = tail[bin];
    const float told = midge_tail_probability(tail, bin, place, guessed);
    for (int32_t k = 0; k < MIDGE_TAIL_BINS; k++) {
        if (!midge_is_empty(tail[k])) {
            tail[k] -= rate * tail[k];
        }
    }
    tail[bin] = hit + rate * (1.0f - hit);
    return midge_least(midge_most(told, midge_quotient(0.125f, (float)(count + 1))), 1.0f);
}
