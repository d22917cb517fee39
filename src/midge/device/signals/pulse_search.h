/* Finds beats: peaks of an envelope that stand above a running threshold. The rules and their sources stand with
   the twin, midge/signals/pulse_detector.py and pulse_search.py, which gives the same beats.

   Times are inner samples, modulo 2^32; shares are in 256ths. */
#include "history.h"
#include "level.h"

struct midge_pulse_rules {
    int32_t floor;
    uint16_t lag; /* of the envelope behind the band */
    uint16_t hold;
    uint16_t search;
    uint16_t learning;
    uint16_t threshold;
    uint16_t refractory;
    uint16_t slow_wave;
    uint16_t slow_wave_slope;
    uint16_t search_back_rr;
    uint16_t search_back;
    uint16_t longest_rr;
    uint16_t relax;
    uint16_t noisy;
};

#define MIDGE_QUALITY_NOISY 4u

/* Without a product beyond int32: value < 2^28, share <= 1024. */
MIDGE_KERNEL int32_t midge_share(int32_t value, int32_t share) {
    return (value >> 8) * share + (((value & 255) * share) >> 8);
}

MIDGE_KERNEL int32_t midge_pulse_threshold(const struct midge_pulse_search *search,
                                           const struct midge_pulse_rules *rules) {
    const int32_t span = midge_max(0, search->signal.median - search->noise.median);
    return midge_max(search->noise.median + midge_share(span, rules->threshold), rules->floor);
}

MIDGE_KERNEL int32_t midge_lowered_threshold(const struct midge_pulse_search *search,
                                             const struct midge_pulse_rules *rules) {
    return midge_max(midge_share(midge_pulse_threshold(search, rules), rules->search_back), rules->floor);
}

MIDGE_SIGNAL void midge_pulse_accept(struct midge_pulse_search *search, const struct midge_pulse_rules *rules,
                               const struct midge_pulse *found) {
    const struct midge_pulse pulse = *found; /* may stand in the queue, or be `best` */
    const int noisy = search->noise.median >= midge_share(search->signal.median, rules->noisy);
    midge_level_add(&search->signal, pulse.height);
    if (search->has_last) {
        const uint32_t since = pulse.at - search->last.at;
        midge_level_add(&search->rr, (int32_t)(since < rules->longest_rr ? since : rules->longest_rr));
    }
    search->last = pulse;
    search->has_last = 1;
    search->has_best = 0;
    search->overdue = 0;
    const int32_t wait = midge_min(midge_share(search->rr.median, rules->search_back_rr), rules->longest_rr);
    const uint32_t due = pulse.at + rules->lag + rules->hold + (uint32_t)wait;
    search->due_at = (int32_t)(due - search->now) > 0 ? due : search->now + 1u;
    if (search->waiting < search->capacity) {
        struct midge_waiting *entry = &search->queue[search->waiting++];
        entry->pulse = pulse;
        entry->quality = (uint8_t)(search->state | (noisy ? MIDGE_QUALITY_NOISY : 0u));
    }
}

MIDGE_SIGNAL void midge_pulse_judge(struct midge_pulse_search *search, const struct midge_pulse_rules *rules,
                              const struct midge_pulse *pulse) {
    const int32_t threshold =
        search->overdue ? midge_lowered_threshold(search, rules) : midge_pulse_threshold(search, rules);
    int slow = 0;
    if (search->has_last) {
        const int32_t since = (int32_t)(pulse->at - search->last.at);
        if (since < rules->refractory) {
            return;
        }
        slow = since < rules->slow_wave && pulse->slope < midge_share(search->last.slope, rules->slow_wave_slope);
    }
    if (pulse->height > threshold && !slow) {
        midge_pulse_accept(search, rules, pulse);
        return;
    }
    midge_level_add(&search->noise, pulse->height);
    if (!slow && (!search->has_best || pulse->height > search->best.height)) {
        search->best = *pulse;
        search->has_best = 1;
    }
}

/* What the band looks like around the peak that has stood. */
MIDGE_SIGNAL void midge_pulse_look_around(const struct midge_pulse_search *search, const struct midge_pulse_rules *rules,
                                    const struct midge_history *band, struct midge_pulse *pulse) {
    const int32_t middle = (int32_t)(search->peak_at - rules->lag);
    const uint32_t reach = 2u * rules->search;
    /* Before the first sample there is nothing; the time since then may have wrapped. */
    const int near_start = search->peak_at < (uint32_t)rules->lag + rules->search;
    const uint32_t first = near_start ? 0u : (uint32_t)middle - rules->search;
    const int32_t count = near_start ? middle + rules->search + 1 : (int32_t)reach + 1;
    *pulse = (struct midge_pulse){0u, search->peak_height, 0u, 0u, 0u, 0};
    if (count <= 0) {
        return;
    }
    uint32_t place = midge_history_place(band, search->now - first);
    const uint32_t start = place;
    int32_t before = first == 0u ? 0 : band->ring[midge_history_place(band, search->now - first + 1u)];
    int32_t low = INT32_MAX, high = INT32_MIN, slope = 0, largest = -1;
    for (int32_t k = 0; k < count; k++) {
        const int32_t value = band->ring[place];
        const int32_t magnitude = value < 0 ? -value : value;
        const int32_t step = value < before ? before - value : value - before;
        slope = midge_max(slope, step);
        low = midge_min(low, value);
        high = midge_max(high, value);
        if (magnitude > largest) {
            largest = magnitude;
            pulse->at = first + (uint32_t)k;
            pulse->extreme = (int16_t)value;
        }
        before = value;
        place = midge_history_next(band, place);
    }
    place = start;
    for (int32_t k = 0; k < count; k++) {
        const int32_t value = band->ring[place];
        pulse->width = (uint16_t)(pulse->width + (2 * (value < 0 ? -value : value) > largest));
        place = midge_history_next(band, place);
    }
    pulse->slope = (uint16_t)slope;
    pulse->amplitude = (uint16_t)(high - low);
}

MIDGE_SIGNAL void midge_pulse_confirm(struct midge_pulse_search *search, const struct midge_pulse_rules *rules,
                                const struct midge_history *band) {
    struct midge_pulse pulse;
    search->has_peak = 0;
    midge_pulse_look_around(search, rules, band, &pulse);
    if (search->learnt) {
        midge_pulse_judge(search, rules, &pulse);
    } else if (search->waiting < search->capacity) {
        search->queue[search->waiting++].pulse = pulse;
    }
}

MIDGE_SIGNAL void midge_pulse_end_learning(struct midge_pulse_search *search, const struct midge_pulse_rules *rules) {
    const uint8_t count = search->waiting;
    int32_t highest = count > 0u ? 0 : rules->floor;
    for (uint8_t k = 0; k < count; k++) {
        highest = midge_max(highest, search->queue[k].pulse.height);
    }
    search->learnt = 1;
    midge_level_fill(&search->signal, highest);
    midge_level_fill(&search->noise, highest >> 3);
    midge_level_fill(&search->rr, rules->longest_rr / 2);
    search->due_at = search->now + rules->longest_rr;
    /* A beat takes a place in the queue that was read before. */
    search->waiting = 0;
    for (uint8_t k = 0; k < count; k++) {
        const struct midge_pulse pulse = search->queue[k].pulse;
        midge_pulse_judge(search, rules, &pulse);
    }
}

MIDGE_SIGNAL void midge_pulse_search_back(struct midge_pulse_search *search, const struct midge_pulse_rules *rules) {
    if (search->has_best && search->best.height > midge_lowered_threshold(search, rules)) {
        midge_pulse_accept(search, rules, &search->best);
        return;
    }
    if (search->overdue) {
        midge_level_relax(&search->signal);
    }
    search->overdue = 1;
    search->has_best = 0;
    search->due_at = search->now + rules->relax;
}

/* One sample of the envelope, whose band stands in `band` already; beats go to the queue. The first sample is
   number 0: `now` starts at UINT32_MAX. */
MIDGE_KERNEL void midge_pulse_search_push(struct midge_pulse_search *search, const struct midge_pulse_rules *rules,
                                          const struct midge_history *band, int32_t envelope) {
    const uint32_t now = ++search->now;
    if (search->has_peak && now == search->confirm_at) {
        midge_pulse_confirm(search, rules, band);
    }
    if (!search->learnt && now == rules->learning) {
        midge_pulse_end_learning(search, rules);
    }
    if (search->learnt && now == search->due_at) {
        midge_pulse_search_back(search, rules);
    }
    if (envelope > search->before) {
        search->rising = 1;
        search->top_at = now;
    } else if (envelope < search->before) {
        const int32_t height = search->before;
        if (search->rising && height > rules->floor >> 2 && (!search->has_peak || height > search->peak_height)) {
            const uint32_t stands = search->top_at + rules->hold;
            search->has_peak = 1;
            search->peak_at = search->top_at;
            search->peak_height = height;
            search->confirm_at = (int32_t)(stands - now) > 0 ? stands : now + 1u;
        }
        search->rising = 0;
    }
    search->before = envelope;
}
