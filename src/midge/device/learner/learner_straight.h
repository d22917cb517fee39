/* The direct unit and persistence: straight lines from anchor to anchor, times shares that go straight, are a curve of the part
   of the way. They bend as the season's path does. */
#include "learner_leads.h"

/* What goes straight on a stretch, and its share: so a curve of the part of the way, of start, grows and bends. */
enum { MIDGE_START = MIDGE_SEASON, MIDGE_GROWS = MIDGE_DIRECT, MIDGE_BENDS = MIDGE_PERSISTENCE };

/* Shares of those who give place to a curve. */
struct midge_straight {
    float season, direct, last;
};

MIDGE_KERNEL struct midge_straight midge_straight_of(const float (*shares)[MIDGE_CHANNELS], int32_t c) {
    const struct midge_straight straight = {shares[MIDGE_SEASON][c], shares[MIDGE_DIRECT][c],
                                            shares[MIDGE_PERSISTENCE][c]};
    return straight;
}

MIDGE_KERNEL struct midge_straight midge_less(struct midge_straight after, struct midge_straight before) {
    const struct midge_straight gain = {after.season - before.season, after.direct - before.direct,
                                        after.last - before.last};
    return gain;
}

/* Of the season's unit; beyond the first anchor with that of all that goes straight. */
MIDGE_KERNEL struct midge_share midge_season_share(struct midge_straight share, struct midge_straight gain, int bends) {
    struct midge_share season = {share.season, gain.season};
    if (bends) {
        season.start += share.direct + share.last;
        season.gain += gain.direct + gain.last;
    }
    return season;
}

/* What the season's and the direct unit forecast at the ends of a stretch. */
struct midge_ends {
    float path, direct;
};

/* Direct and persistence on a stretch, less the line under the season's path, which takes their share as well.
   share, gain: at its begin, and on the way. from, to: its ends. last: what persists. */
MIDGE_KERNEL void midge_curve(float (*curve)[MIDGE_CHANNELS], int32_t c, struct midge_straight share,
                              struct midge_straight gain, struct midge_ends from, struct midge_ends to, float last) {
    const float slope = to.path - from.path, above = from.direct - from.path, rise = (to.direct - from.direct) - slope;
    last = last - from.path;
    curve[MIDGE_START][c] = share.direct * above + share.last * last;
    curve[MIDGE_GROWS][c] = (gain.direct * above + share.direct * rise) + (gain.last * last - share.last * slope);
    curve[MIDGE_BENDS][c] = gain.direct * rise - gain.last * slope;
}
