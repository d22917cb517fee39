/* Biases and factors of a layer, out of as few bits as hold them (`c_emitter/packed_channels.py`). A factor is the
   product of a channel's float32 scale and a number of the whole layer: 24 bits a channel make all 31 of its
   multiplier.
   The stream, least bits first: 5 bits: low bits of a bias; 3: bits of a shift; 6: the least shift, plus 31; 44: the
   layer's number, from 2^43 on. Then for each channel its bias, as many zeros and a one as it has times the power of
   its low bits, and these (0, -1, 1, -2, ... count as 0, 1, 2, 3, ...); its shift less the least; its scale's bits
   without the first, which is one. */
#include "base.h"

struct midge_bits {
    const uint8_t *next;
    uint32_t held;
    int32_t count; /* of bits that are held, less than 8 */
};

/* The next bits, at most 24. */
static __attribute__((noinline, unused)) uint32_t midge_take_bits(struct midge_bits *bits, int32_t count) {
    while (bits->count < count) {
        bits->held |= (uint32_t)*bits->next++ << bits->count;
        bits->count += 8;
    }
    const uint32_t taken = bits->held & ((1u << count) - 1u);
    bits->held >>= count;
    bits->count -= count;
    return taken;
}

static __attribute__((noinline, unused)) int32_t midge_take_bias(struct midge_bits *bits, int32_t low_bits) {
    uint32_t folded = 0;
    while (midge_take_bits(bits, 1) == 0) {
        folded++;
    }
    folded = folded << low_bits | midge_take_bits(bits, low_bits);
    return (int32_t)(folded >> 1 ^ (0u - (folded & 1u)));
}

/* Fill bias[channels], and behind it multiplier[channels] and int8_t shift[channels] as in `struct midge_factors`.
   Returns the biases. */
static __attribute__((noinline, unused)) const int32_t *midge_unpack_channels(
    const uint8_t *packed, int32_t channels, int32_t *bias) {
    struct midge_bits bits = {packed, 0, 0};
    int32_t *multiplier = bias + channels;
    int8_t *shift = (int8_t *)(multiplier + channels);
    const int32_t low_bits = (int32_t)midge_take_bits(&bits, 5), shift_bits = (int32_t)midge_take_bits(&bits, 3);
    const int32_t least = (int32_t)midge_take_bits(&bits, 6) - 31;
    const uint32_t low = midge_take_bits(&bits, 12), middle = midge_take_bits(&bits, 16);
    const uint32_t high = midge_take_bits(&bits, 16) << 16 | middle;
    for (int32_t i = 0; i < channels; i++) {
        bias[i] = midge_take_bias(&bits, low_bits);
        shift[i] = (int8_t)(least + (int32_t)midge_take_bits(&bits, shift_bits));
        const uint32_t scale = midge_take_bits(&bits, 23) | 1u << 23;
        /* The scale times the layer's number, without 12 bits: from 2^54 to under 2^56. */
        const uint64_t product = (uint64_t)scale * high + ((uint64_t)scale * low >> 12);
        const uint32_t upper = (uint32_t)(product >> 24), next = (uint32_t)(product >> 23) & 1u;
        multiplier[i] = (int32_t)(upper >> 31 != 0 ? (upper >> 1) + (upper & 1u) : upper + next);
    }
    return bias;
}
