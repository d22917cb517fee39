/* What a chain remembers between two samples: the part of its struct that does not depend on its stages. */
#include <stdint.h>

#ifndef MIDGE_BEAT_STATE_H
#define MIDGE_BEAT_STATE_H

/* A running level: the median of the last values. */
#define MIDGE_LEVEL_SIZE 8

struct midge_level {
    int32_t values[MIDGE_LEVEL_SIZE]; /* the oldest is overwritten first */
    int32_t median;                   /* of the values, rounded down */
    uint8_t at;                       /* where the next value goes */
};

/* The last samples of a band-passed signal. */
struct midge_history {
    int16_t *ring;   /* the caller's, zeros at first */
    uint16_t length; /* of the ring */
    uint16_t newest; /* where the last sample stands */
};

/* A peak that has stood. */
struct midge_pulse {
    uint32_t at;        /* of the band's largest magnitude */
    int32_t height;     /* of the envelope */
    uint16_t slope;     /* largest step of the band near it */
    uint16_t amplitude; /* highest less lowest value of the band near it */
    uint16_t width;     /* samples near it whose magnitude is over half the largest */
    int16_t extreme;    /* the band at `at` */
};

/* A beat that waits for its decision, and a peak while the levels are learnt. */
struct midge_waiting {
    struct midge_pulse pulse;
    uint8_t quality;
};

/* The detector. */
struct midge_pulse_search {
    struct midge_waiting *queue; /* the caller's, the oldest first */
    uint32_t now;                /* the sample that is looked at */
    uint32_t top_at;             /* the envelope's last rise */
    int32_t before;              /* the envelope one sample ago */
    uint32_t peak_at;
    int32_t peak_height;
    uint32_t confirm_at;
    uint32_t due_at;
    struct midge_level signal;
    struct midge_level noise;
    struct midge_level rr;
    struct midge_pulse last; /* beat */
    struct midge_pulse best; /* peak since then that was no beat */
    uint8_t capacity;        /* of the queue */
    uint8_t waiting;         /* in the queue */
    uint8_t state;           /* what the beats found now are marked with */
    uint8_t rising;
    uint8_t has_peak;
    uint8_t learnt;
    uint8_t has_last;
    uint8_t has_best;
    uint8_t overdue;
};

/* How much the last intervals differed, each from the one before it. */
#define MIDGE_CHANGES 32

/* The running picture of what beats are like. */
struct midge_rhythm {
    struct midge_level rr;
    struct midge_level amplitude;
    struct midge_level slope;
    struct midge_level width;
    int32_t long_mean; /* of intervals, in 256ths of inner samples */
    int32_t previous;  /* interval */
    int32_t earlier[2]; /* the one before it, and the one before that */
    int32_t novelty;   /* mean difference to the nearest of three intervals, in 256ths of inner samples */
    int32_t unrest;    /* mean change between intervals, in 256ths of inner samples */
    int32_t basic;     /* interval of the basic rhythm, in 256ths of inner samples */
    uint32_t last_at;
    uint16_t changes[MIDGE_CHANGES]; /* the oldest is overwritten first */
    uint8_t change_at;               /* where the next one goes */
    uint8_t started;
};

/* Whether there is a signal. */
#define MIDGE_QUALITY_BLOCKS 4
struct midge_quality {
    int16_t low[MIDGE_QUALITY_BLOCKS]; /* of the last whole blocks */
    int16_t high[MIDGE_QUALITY_BLOCKS];
    uint16_t railed[MIDGE_QUALITY_BLOCKS];
    int16_t block_low; /* of the block that is being filled */
    int16_t block_high;
    uint16_t block_railed;
    uint16_t filled;
    uint8_t blocks; /* whole ones, counted up to MIDGE_QUALITY_BLOCKS */
    uint8_t at;
    uint8_t state;
};

#endif
