/* Emitted by Midge @MIDGE_VERSION@: holds @MODEL_NAME@ on a board against golden vectors, and times it.
   See SELFTEST.md beside this file. */
#include <stdint.h>

#include "@MODEL_NAME@.h"

/* Supplied by the application: print a text that ends with a zero byte. */
void midge_selftest_print(const char *text);

/* ---- a counter of core cycles, modulo 2^32 ---- */
#if defined(MIDGE_SELFTEST_CYCLES)
static void start_counter(void) {}
static uint32_t read_counter(void) { return MIDGE_SELFTEST_CYCLES(); }
#elif defined(__riscv)
/* By number: not every compiler takes the names, or CSRs at all without an option. */
#define CSR_SET_TO(bits, number) __asm__ volatile(".insn i 0x73, 5, x0, x" #bits ", " #number)
#define CSR_READ(value, number) __asm__ volatile(".insn i 0x73, 2, %0, x0, " #number : "=r"(value))
#if @ESPRESSIF@ /* custom CSRs in place of mcycle: ESP32-C3 Technical Reference Manual, mpcer to mpccr */
static void start_counter(void) {
    CSR_SET_TO(1, 0x7E0); /* mpcer: clock cycles */
    CSR_SET_TO(1, 0x7E1); /* mpcmr: count, wrap around */
}
static uint32_t read_counter(void) {
    uint32_t value;
    CSR_READ(value, 0x7E2); /* mpccr */
    return value;
}
#else
static void start_counter(void) {
#if @HAZARD3@ /* leaves reset with its counters held: RP2350 datasheet, MCOUNTINHIBIT */
    CSR_SET_TO(0, 0x320); /* mcountinhibit */
#endif
}
static uint32_t read_counter(void) {
    uint32_t value;
    CSR_READ(value, -0x500); /* mcycle, 0xB00 */
    return value;
}
#endif
#elif defined(__ARM_ARCH_6M__)
#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)
/* SysTick has 24 bits; its interrupt counts how often they ran out. */
static volatile uint32_t wraps;
void SysTick_Handler(void);
void SysTick_Handler(void) { wraps++; }
static void start_counter(void) {
    SYST_RVR = 0x00FFFFFFu;
    SYST_CVR = 0;
    SYST_CSR = 7; /* enabled, interrupt, core clock */
}
static uint32_t read_counter(void) {
    uint32_t before, value;
    do {
        before = wraps;
        value = 0x00FFFFFFu - SYST_CVR;
    } while (before != wraps);
    return (before << 24) + value;
}
#else
#define DEMCR (*(volatile uint32_t *)0xE000EDFCu)
#define DWT_CTRL (*(volatile uint32_t *)0xE0001000u)
#define DWT_CYCCNT (*(volatile uint32_t *)0xE0001004u)
#define DWT_LAR (*(volatile uint32_t *)0xE0001FB0u)
static void start_counter(void) {
    DEMCR |= 1u << 24;     /* trace on */
    DWT_LAR = 0xC5ACCE55u; /* Cortex-M7 locks its counter */
    DWT_CYCCNT = 0;
    DWT_CTRL |= 1u;
}
static uint32_t read_counter(void) { return DWT_CYCCNT; }
#endif

/* ---- golden vectors: random inputs, and what Midge's interpreter makes of them ---- */
@GOLDEN_ARRAYS@
static const uint32_t input_bytes[@INPUTS@] = {@INPUT_BYTES@};
static const uint32_t output_bytes[@OUTPUTS@] = {@OUTPUT_BYTES@};
static const uint8_t output_is_float[@OUTPUTS@] = {@OUTPUT_IS_FLOAT@};
static const struct {
    const uint8_t *inputs[@INPUTS@];
    const uint8_t *outputs[@OUTPUTS@];
} golden[@SAMPLES@] = {
@GOLDEN_TABLE@
};

static uint8_t arena[@MODEL_MACRO@_ARENA_BYTES] __attribute__((aligned(@MODEL_MACRO@_ARENA_ALIGN)));
/* One byte where the network has no state. The samples are one stream. */
static uint8_t state[@MODEL_MACRO@_STATE_BYTES + 1] __attribute__((aligned(@MODEL_MACRO@_STATE_ALIGN)));

static uint32_t word_at(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Equal in every byte; of floats, what is not a number equals what is not, whatever else it carries. */
static int is_equal(const uint8_t *a, const uint8_t *b, uint32_t size, int is_float) {
    for (uint32_t k = 0; k < size; k++) {
        if (a[k] == b[k]) {
            continue;
        }
        const uint32_t start = k & ~(uint32_t)3u;
        if (!is_float || (word_at(a + start) & 0x7FFFFFFFu) <= 0x7F800000u ||
            (word_at(b + start) & 0x7FFFFFFFu) <= 0x7F800000u) {
            return 0;
        }
    }
    return 1;
}

static void print_number(uint32_t value) {
    char digits[11];
    int at = 10;
    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0);
    midge_selftest_print(&digits[at]);
}

/* Returns the number of wrong samples. */
int main(void) {
    int wrong = 0;
    start_counter();
    @MODEL_NAME@_init(arena, state);
    for (unsigned sample = 0; sample < @SAMPLES@u; sample++) {
        int equal = 1;
        for (unsigned i = 0; i < @INPUTS@u; i++) {
            uint8_t *input = (uint8_t *)@MODEL_NAME@_input(arena, i);
            for (uint32_t k = 0; k < input_bytes[i]; k++) {
                input[k] = golden[sample].inputs[i][k];
            }
        }
        const uint32_t start = read_counter();
        const enum midge_status status = @MODEL_NAME@_run(arena, state);
        const uint32_t cycles = read_counter() - start;
        for (unsigned i = 0; i < @OUTPUTS@u; i++) {
            const uint8_t *output = (const uint8_t *)@MODEL_NAME@_output(arena, i);
            equal = equal && is_equal(output, golden[sample].outputs[i], output_bytes[i], output_is_float[i]);
        }
        midge_selftest_print("@MODEL_NAME@ sample ");
        print_number(sample);
        midge_selftest_print(status == MIDGE_OK && equal ? ": equal, cycles " : ": WRONG, cycles ");
        print_number(cycles);
        midge_selftest_print("\n");
        wrong += status != MIDGE_OK || !equal;
    }
    return wrong;
}
