/* The state's form in bytes, that of the twin's `save()`: a head that tells sizes and settings, the state's words in
   order, little-endian, and a CRC-32 of it all. */
#include "learner_places.h"

#define MIDGE_PIECE_BYTES 64u

typedef int (*midge_write)(void *context, const uint8_t *bytes, uint32_t size);
typedef int (*midge_read)(void *context, uint8_t *bytes, uint32_t size);

enum { MIDGE_RESTORED = 0, MIDGE_UNREAD = 1, MIDGE_FOREIGN = 2, MIDGE_DAMAGED = 3 };

/* CRC-32 of IEEE 802.3, four bits at a time; begins with 0xFFFFFFFF and ends inverted. */
MIDGE_PART uint32_t midge_crc32(uint32_t crc, const uint8_t *bytes, uint32_t size) {
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };
    for (uint32_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ table[crc & 15u];
        crc = (crc >> 4) ^ table[crc & 15u];
    }
    return crc;
}

/* Word `index` of the state; every member is made of words. */
MIDGE_KERNEL uint32_t midge_word(const MIDGE_LEARNER *s, uint32_t index) {
    return midge_load_u32((const uint8_t *)s + 4u * index);
}

MIDGE_KERNEL void midge_to_little_endian(uint32_t word, uint8_t *bytes) {
    for (uint32_t k = 0; k < 4u; k++) {
        bytes[k] = (uint8_t)(word >> (8u * k));
    }
}

MIDGE_KERNEL uint32_t midge_from_little_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

MIDGE_PART int midge_save(const MIDGE_LEARNER *s, midge_write write, void *context) {
    uint8_t piece[MIDGE_PIECE_BYTES];
    uint32_t crc = midge_crc32(0xFFFFFFFFu, midge_head, sizeof midge_head);
    int said = write(context, midge_head, sizeof midge_head);
    for (uint32_t word = 0; word < sizeof *s / 4u && said == 0;) {
        uint32_t size = 0;
        for (; size < MIDGE_PIECE_BYTES && word < sizeof *s / 4u; size += 4u, word++) {
            midge_to_little_endian(midge_word(s, word), piece + size);
        }
        crc = midge_crc32(crc, piece, size);
        said = write(context, piece, size);
    }
    midge_to_little_endian(~crc, piece);
    return said == 0 ? write(context, piece, 4u) : said;
}

/* Can there be a state with these numbers? (learner_sound.h, fixed_sound.h) */
MIDGE_PART int midge_is_sound(const MIDGE_LEARNER *s);

/* Fills the state, though it may be no good: the caller starts it anew where this does not return MIDGE_RESTORED. */
MIDGE_PART int midge_restore(MIDGE_LEARNER *s, midge_read read, void *context) {
    uint8_t piece[MIDGE_PIECE_BYTES];
    uint32_t crc = 0xFFFFFFFFu, differs = 0;
    for (uint32_t at = 0, size; at < sizeof midge_head; at += size) {
        size = sizeof midge_head - at < MIDGE_PIECE_BYTES ? (uint32_t)sizeof midge_head - at : MIDGE_PIECE_BYTES;
        if (read(context, piece, size) != 0) {
            return MIDGE_UNREAD;
        }
        crc = midge_crc32(crc, piece, size);
        for (uint32_t k = 0; k < size; k++) {
            differs |= (uint32_t)(piece[k] ^ midge_head[at + k]);
        }
    }
    if (differs != 0u) {
        return MIDGE_FOREIGN;
    }
    for (uint32_t word = 0; word < sizeof *s / 4u; word++) {
        if (read(context, piece, 4u) != 0) {
            return MIDGE_UNREAD;
        }
        crc = midge_crc32(crc, piece, 4u);
        const uint32_t value = midge_from_little_endian(piece);
        MIDGE_COPY((uint8_t *)s + 4u * word, &value, 4u);
    }
    if (read(context, piece, 4u) != 0) {
        return MIDGE_UNREAD;
    }
    return midge_from_little_endian(piece) == ~crc && midge_is_sound(s) ? MIDGE_RESTORED : MIDGE_DAMAGED;
}
