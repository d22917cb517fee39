#include "sample.h"

void *memcpy(void *restrict to, const void *restrict from, __SIZE_TYPE__ size);
void *memset(void *to, int value, __SIZE_TYPE__ size);

/* Arena: input 0 at 0 (128), input 1 at 128 (32), convolved at 160 (128), output 0 at 288 (64),
 * output 1 at 352 (16); the last 48 bytes are scratch. */

static const int8_t weights[4][8] = {
    {3, -7, 12, 5, -128, 127, 64, -1},
    {-5, 9, 33, -70, 2, 8, -16, 40},
    {100, -100, 50, -50, 25, -25, 12, -12},
    {1, 2, 4, 8, 16, 32, 64, 127},
};
static const int32_t multipliers[4] = {1518500250, 1288490188, 1932735283, 1073741824};

static int32_t clamp(int32_t value, int32_t low, int32_t high)
{
    if (value < low) {
        value = low;
    }
    if (value > high) {
        value = high;
    }
    return value;
}

/* Input int8[16, 8], weights int8[4, 8], output int8[16, 4] twice over. */
__attribute__((noinline)) static void sample_convolve(const int8_t *input, int8_t *output)
{
    for (int32_t row = 0; row < 16; ++row) {
        for (int32_t channel = 0; channel < 4; ++channel) {
            int32_t sum = 10 * channel;
            for (int32_t i = 0; i < 8; ++i) {
                sum += (int32_t)input[8 * row + i] * weights[channel][i];
            }
            const int64_t product = (int64_t)sum * multipliers[channel];
            const int32_t scaled = (int32_t)((product + ((int64_t)1 << 36)) >> 37);
            const int8_t value = (int8_t)clamp(scaled, -128, 127);
            output[4 * row + channel] = value;
            output[64 + 4 * row + channel] = (int8_t)(value ^ 85);
        }
    }
}

/* Copies a part whose size only the input knows, which no compiler can unroll. */
__attribute__((noinline)) static void sample_gather(const int8_t *input, const int8_t *sizes,
                                                    int8_t *output)
{
    int32_t at = 0;
    for (int32_t i = 0; i < 8; ++i) {
        const int32_t size = sizes[i] & 7;
        memcpy(output + at, input + 8 * i, (__SIZE_TYPE__)size);
        at += size;
    }
    memset(output + at, 17, (__SIZE_TYPE__)(64 - at));
}

/* With SAMPLE_FLOATS a float operation for each value, with SAMPLE_DIVIDES a 64-bit division: library
 * routines on cores without the unit. */
__attribute__((noinline)) static void sample_normalise(const int8_t *values, int8_t *output,
                                                       uint32_t runs)
{
    int8_t scratch[96];
    int64_t total = 0;
    for (int32_t i = 0; i < 96; ++i) {
        scratch[i] = (int8_t)(values[i % 64] ^ (int8_t)i);
    }
    for (int32_t i = 0; i < 96; ++i) {
        total += (int64_t)scratch[95 - i] * scratch[i] * 1000003;
    }
    for (int32_t i = 0; i < 16; ++i) {
#ifdef SAMPLE_FLOATS
        const int32_t scaled = (int32_t)((float)values[i] * 0.375f + 1.5f);
#else
        const int32_t scaled = (values[i] * 3 + 12) / 8;
#endif
#ifdef SAMPLE_DIVIDES
        const int64_t share = total / (3 + i + (int64_t)runs);
#else
        const int64_t share = (total >> i) + (int64_t)runs;
#endif
        output[i] = (int8_t)clamp(scaled + (int32_t)(share & 15), -128, 127);
    }
}

void sample_init(void *arena, void *state)
{
    (void)arena;
    *(uint32_t *)state = 0u;
}

int8_t *sample_input(void *arena, unsigned index)
{
    return (int8_t *)arena + (index == 0u ? 0 : 128);
}

const int8_t *sample_output(const void *arena, unsigned index)
{
    return (const int8_t *)arena + (index == 0u ? 288 : 352);
}

enum midge_status sample_run(void *arena, void *state)
{
    int8_t *const bytes = arena;
    if (arena == 0 || state == 0) {
        return MIDGE_BAD_ARGUMENT;
    }
    *(uint32_t *)state += 1u;
    sample_convolve(bytes, bytes + 160);
    sample_gather(bytes + 160, bytes + 128, bytes + 288);
    sample_normalise(bytes + 288, bytes + 352, *(uint32_t *)state);
    return MIDGE_OK;
}
