/* From a network's scores to what is said of a beat. The twin is midge/signals/decision.py. */
#include "base.h"

struct midge_decision {
    uint8_t label;      /* the class with the largest score and bias, the first of equals */
    uint8_t suspicious; /* the margin is under the limit, and there is a signal */
    int16_t margin;     /* by how much the normal class leads all others; negative when it does not */
};

/* count >= 2; |bias| <= 1024 */
MIDGE_KERNEL struct midge_decision midge_decide(const int8_t *scores, const int16_t *bias, uint32_t count,
                                                uint32_t normal, int32_t suspicious_below, uint8_t quality) {
    struct midge_decision decision = {0u, 0u, 0};
    int32_t largest = INT32_MIN, rival = INT32_MIN;
    for (uint32_t k = 0; k < count; k++) {
        const int32_t score = scores[k] + bias[k];
        if (score > largest) {
            largest = score;
            decision.label = (uint8_t)k;
        }
        rival = k != normal ? midge_max(rival, score) : rival;
    }
    decision.margin = (int16_t)(scores[normal] + bias[normal] - rival);
    decision.suspicious = (uint8_t)(quality == 0u && decision.margin < suspicious_below);
    return decision;
}
