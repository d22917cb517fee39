/* Forecasts of the joint unit and of a regime: all channels at a lead. */
#include "learner_leads.h"

MIDGE_KERNEL int midge_is_any_far(const struct midge_ahead *a, const float *sums) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        if (midge_is_far(a, c, sums[c])) {
            return 1;
        }
    }
    return 0;
}

/* Shares of a unit on a stretch, [channels]. */
struct midge_row_shares {
    float start[MIDGE_CHANNELS], gain[MIDGE_CHANNELS];
};

#if MIDGE_BLOCK == 4
/* Loads come first and together, as in `midge_add_block`. */
MIDGE_KERNEL void midge_load_block(float *values, const float *from) {
    const float v0 = from[0], v1 = from[1], v2 = from[2], v3 = from[3];
    __asm__ volatile("" ::"t"(v0), "t"(v1), "t"(v2), "t"(v3));
    values[0] = v0;
    values[1] = v1;
    values[2] = v2;
    values[3] = v3;
}

/* Add [4] values to forecasts. */
MIDGE_KERNEL void midge_mix_block(float *mixed, const float *start, const float *gain, float part, const float *v) {
    const float s0 = start[0], s1 = start[1], s2 = start[2], s3 = start[3];
    const float g0 = gain[0], g1 = gain[1], g2 = gain[2], g3 = gain[3];
    const float m0 = mixed[0], m1 = mixed[1], m2 = mixed[2], m3 = mixed[3];
    __asm__ volatile("" ::"t"(part), "t"(s0), "t"(s1), "t"(s2), "t"(s3), "t"(g0), "t"(g1), "t"(g2), "t"(g3), "t"(m0),
                     "t"(m1), "t"(m2), "t"(m3));
    mixed[0] = m0 + (s0 + part * g0) * v[0];
    mixed[1] = m1 + (s1 + part * g1) * v[1];
    mixed[2] = m2 + (s2 + part * g2) * v[2];
    mixed[3] = m3 + (s3 + part * g3) * v[3];
}
#else
MIDGE_KERNEL void midge_load_block(float *values, const float *from) { *values = *from; }

MIDGE_KERNEL void midge_mix_block(float *mixed, const float *start, const float *gain, float part, const float *v) {
    *mixed += (*start + part * *gain) * *v;
}
#endif

/* Add a row of values to forecasts. */
MIDGE_KERNEL void midge_mix_row(float *mixed, const struct midge_row_shares *shares, float part, const float *values) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c += MIDGE_BLOCK) {
        midge_mix_block(mixed + c, shares->start + c, shares->gain + c, part, values + c);
    }
}

/* What all channels reach, in place of their sums. */
struct midge_row {
    float sums[MIDGE_CHANNELS], features[MIDGE_CHANNELS], forecasts[MIDGE_CHANNELS];
};

MIDGE_KERNEL void midge_reach_row(const struct midge_ahead *a, struct midge_row *row) {
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        const struct midge_reached reached = midge_reach(a, c, row->sums[c]);
        row->sums[c] = reached.value;
        row->features[c] = reached.feature;
        row->forecasts[c] = reached.forecast;
    }
}

/* The joint unit, and a regime. `rows` holds the last features twice, one behind the other, so that those from
   `newest` on stand in a row, the newest first. */
MIDGE_PART void midge_joint_ahead(const MIDGE_LEARNER *s, const struct midge_ahead *a, int32_t unit,
                                  const float (*coefficients)[MIDGE_CHANNELS]) {
    float rows[2 * MIDGE_JOINT_LAGS * MIDGE_CHANNELS], reached[MIDGE_CHANNELS];
    const float *part = midge_parts;
    float *mixed = a->mixed[0];
    struct midge_row_shares shares;
    struct midge_row far;
    int32_t newest = 0;
    MIDGE_COPY(rows, a->view.lags, sizeof rows / 2u);
    MIDGE_COPY(rows + MIDGE_JOINT_LAGS * MIDGE_CHANNELS, a->view.lags, sizeof rows / 2u);
    MIDGE_COPY(reached, a->view.last, sizeof reached);
    MIDGE_FILL(&shares, 0, sizeof shares);
    for (const struct midge_stretch *x = a->stretches; x < a->stretches + a->count; x++) {
        const int is_mixed = x < a->stretches + a->asked;
        for (int32_t c = 0; c < MIDGE_CHANNELS && is_mixed; c++) {
            const struct midge_share share = midge_share_of(x, unit, c);
            shares.start[c] = share.start;
            shares.gain[c] = share.gain;
        }
        for (int32_t leads = x->to - x->from; leads > 0; leads--) {
            float sums[MIDGE_CHANNELS];
            midge_joint_step(coefficients, rows + newest, sums);
            newest = (newest == 0 ? MIDGE_JOINT_LAGS * MIDGE_CHANNELS : newest) - MIDGE_CHANNELS;
            float *const row = rows + newest;
            for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
                sums[c] = reached[c] + sums[c];
            }
            if (midge_is_any_far(a, sums)) {
                MIDGE_COPY(far.sums, sums, sizeof sums);
                midge_reach_row(a, &far);
                MIDGE_COPY(reached, far.sums, sizeof reached);
                MIDGE_COPY(row, far.features, sizeof sums);
                MIDGE_COPY(row + MIDGE_JOINT_LAGS * MIDGE_CHANNELS, far.features, sizeof sums);
                if (is_mixed) {
                    midge_mix_row(mixed, &shares, *part, far.forecasts);
                }
            } else {
                MIDGE_COPY(reached, sums, sizeof reached);
                MIDGE_COPY(row, sums, sizeof sums);
                MIDGE_COPY(row + MIDGE_JOINT_LAGS * MIDGE_CHANNELS, sums, sizeof sums);
                if (is_mixed) {
                    midge_mix_row(mixed, &shares, *part, sums);
                }
            }
            if (is_mixed) {
                mixed += MIDGE_CHANNELS;
                part++;
            }
        }
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            midge_keep(s, a, x, unit, c, midge_held(a, c, reached[c]));
        }
    }
}
