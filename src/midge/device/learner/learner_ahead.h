/* Forecasts of every unit: one unit after the other goes through the leads. What it tells is mixed where that is asked
   for and kept where it is due, so that no more of a unit is remembered than it needs to go on. */
#include "learner_joint_ahead.h"
#include "learner_own_ahead.h"

/* Curves complete what is mixed of [block] channels from `c` on. It is told in the user's units then; but for what is
   expected next, which the learner keeps. */
MIDGE_PART void midge_straight_ahead(const MIDGE_LEARNER *s, struct midge_ahead *a, int32_t c) {
    float offset[MIDGE_BLOCK], scale[MIDGE_BLOCK];
    MIDGE_COPY(offset, s->offset + c, sizeof offset);
    MIDGE_COPY(scale, s->scale + c, sizeof scale);
    const float *part = midge_parts;
    float *mixed = a->mixed[0] + c;
    for (const struct midge_stretch *x = a->stretches; x < a->stretches + a->asked; x++) {
        float start[MIDGE_BLOCK], grows[MIDGE_BLOCK], bends[MIDGE_BLOCK];
        MIDGE_COPY(start, x->after[MIDGE_START] + c, sizeof start);
        MIDGE_COPY(grows, x->after[MIDGE_GROWS] + c, sizeof grows);
        MIDGE_COPY(bends, x->after[MIDGE_BENDS] + c, sizeof bends);
        for (int32_t leads = x->to - x->from; leads > 0; leads--, part++, mixed += MIDGE_CHANNELS) {
            float whole[MIDGE_BLOCK];
            midge_load_block(whole, mixed);
            for (int32_t k = 0; k < MIDGE_BLOCK; k++) {
                whole[k] += start[k] + *part * (grows[k] + *part * bends[k]);
            }
            if (part == midge_parts) {
                MIDGE_COPY(a->expected + c, whole, sizeof whole);
            }
            for (int32_t k = 0; k < MIDGE_BLOCK; k++) {
                mixed[k] = offset[k] + scale[k] * whole[k];
            }
        }
    }
}

/* Between what a channel's forecasts stay. */
MIDGE_KERNEL void midge_limit(const MIDGE_LEARNER *s, struct midge_ahead *a, int32_t c) {
    const float inverse = midge_inverse(s->scale[c]);
    const float middle = (s->mean[c] - s->offset[c]) * inverse;
    const float spread = midge_sqrt_f32(s->variance[c]) * inverse;
    a->low[c] = midge_least(middle - MIDGE_RANGE * spread, a->view.last[c] - MIDGE_REACH * spread);
    a->high[c] = midge_most(middle + MIDGE_RANGE * spread, a->view.last[c] + MIDGE_REACH * spread);
    const float near = midge_least(midge_least(a->high[c], -a->low[c]), MIDGE_LARGEST_FEATURE);
    a->near[c] = near > 0.0f ? midge_bits_f32(near) << 1 : 0;
}

/* All units, by what is planned. */
MIDGE_PART void midge_go_ahead(const MIDGE_LEARNER *s, struct midge_ahead *a) {
    const int32_t best = midge_best_regime(s);
    midge_look_back(s, &a->view);
    for (int32_t anchor = 0; anchor < midge_min(a->asked, MIDGE_ANCHORS); anchor++) {
        midge_shares(s, anchor, a->shares[anchor]);
    }
    if (a->asked > MIDGE_ANCHORS) {
        MIDGE_COPY(a->shares[MIDGE_STRETCHES - 1], a->shares[MIDGE_ANCHORS - 1], sizeof a->shares[0]);
    }
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        midge_limit(s, a, c);
    }
    const int32_t mixed = a->stretches[a->asked - 1].to;
    MIDGE_BY_FOUR
    for (int32_t lead = 0; lead < mixed; lead++) {
        for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
            a->mixed[lead][c] = -0.0f; /* what is added to that is as it was, zeros with it */
        }
    }
    midge_joint_ahead(s, a, MIDGE_JOINT, (const float(*)[MIDGE_CHANNELS])s->joint);
    for (int32_t c = 0; c < MIDGE_CHANNELS; c++) {
        float ends[1 + MIDGE_DIRECT_ANCHORS];
        midge_fast_ahead(s, a, c);
        midge_direct_ends(s, a, c, ends);
        midge_season_ahead(s, a, c, ends);
    }
    midge_joint_ahead(s, a, MIDGE_REGIME,
                      (const float(*)[MIDGE_CHANNELS])(best >= 0 ? s->pool[best] : s->joint));
    for (int32_t c = 0; c < MIDGE_CHANNELS; c += MIDGE_BLOCK) {
        midge_straight_ahead(s, a, c);
    }
}
