/* Runs a model on samples that stream through semihosting files.
 *
 * midge.in:  u32 number of samples, then each sample: its input tensors one after the other.
 * midge.out: per sample u32 status of run(), u32 1 when the clock did not overflow, u64 clock
 *            difference across run(), u32 stack peak in bytes, then the output tensors one after
 *            the other; at the end u64 clock difference across an empty function.
 * All words are little-endian. The clock is SysTick on Arm, minstret on RISC-V.
 *
 * The first lines of midge_harness_model.h, generated beside this file, bind it to one model. */
#include <stddef.h>
#include <stdint.h>

#include "midge_harness_model.h"
#include "semihosting.h"

#define STACK_PAINT "0xA5C35A3C"
#define STACK_PAINT_WORD 0xA5C35A3Cu

/* Placed apart by the linker script: they are the application's, not the model's. */
__attribute__((section(".midge_arena"), aligned(MIDGE_HARNESS_ARENA_ALIGN), used)) uint8_t
    midge_port_arena[MIDGE_HARNESS_ARENA_BYTES];
__attribute__((section(".midge_state"), aligned(16), used)) uint8_t
    midge_port_state[MIDGE_HARNESS_STATE_BYTES > 0 ? MIDGE_HARNESS_STATE_BYTES : 1];

extern uint32_t midge_port_stack_bottom[], midge_port_stack_top[];

_Noreturn void midge_port_main(void);
_Noreturn void midge_port_exit(uint32_t status);
void midge_port_halt(void);

struct measurement {
    uint32_t status;
    uint32_t in_range;
    uint64_t clock;
};

typedef enum midge_status (*midge_port_measured)(void *arena, void *state);

enum midge_status midge_port_nothing(void *arena, void *state);
enum midge_status midge_port_mark_stack(void *arena, void *state);
void midge_port_paint_stack(void);

/* The stack pointer at the moment of the call to run(). */
uint32_t midge_port_stack_mark;

#if defined(__arm__)
/* Where a call made from outside the program returns to. */
__attribute__((naked, used, section(".midge_port.halt"))) void midge_port_halt(void)
{
    __asm__ volatile("1: b 1b\n");
}

/* One instruction: what is left when it is timed is the cost of timing. */
__attribute__((naked, noinline)) enum midge_status midge_port_nothing(void *arena, void *state)
{
    __asm__ volatile("bx lr\n");
}

__attribute__((naked, noinline)) enum midge_status midge_port_mark_stack(void *arena, void *state)
{
    __asm__ volatile("ldr r1, =midge_port_stack_mark\n"
                     "mov r0, sp\n"
                     "str r0, [r1]\n"
                     "movs r0, #0\n"
                     "bx lr\n");
}

/* Without a frame of its own, so that everything below the caller's stack pointer is painted. */
__attribute__((naked, noinline)) void midge_port_paint_stack(void)
{
    __asm__ volatile("ldr r0, =midge_port_stack_bottom\n"
                     "ldr r1, =" STACK_PAINT "\n"
                     "mov r2, sp\n"
                     "1: cmp r0, r2\n"
                     "bcs 2f\n"
                     "str r1, [r0]\n"
                     "adds r0, #4\n"
                     "b 1b\n"
                     "2: bx lr\n");
}
#else
__attribute__((naked, used, section(".midge_port.halt"))) void midge_port_halt(void)
{
    __asm__ volatile("1: j 1b\n");
}

__attribute__((naked, noinline)) enum midge_status midge_port_nothing(void *arena, void *state)
{
    __asm__ volatile("ret\n");
}

__attribute__((naked, noinline)) enum midge_status midge_port_mark_stack(void *arena, void *state)
{
    __asm__ volatile("la a1, midge_port_stack_mark\n"
                     "sw sp, 0(a1)\n"
                     "li a0, 0\n"
                     "ret\n");
}

__attribute__((naked, noinline)) void midge_port_paint_stack(void)
{
    __asm__ volatile("la a0, midge_port_stack_bottom\n"
                     "li a1, " STACK_PAINT "\n"
                     "1: bgeu a0, sp, 2f\n"
                     "sw a1, 0(a0)\n"
                     "addi a0, a0, 4\n"
                     "j 1b\n"
                     "2: ret\n");
}
#endif

_Noreturn void midge_port_exit(uint32_t status)
{
    const uint32_t arguments[2] = {SEMIHOSTING_APPLICATION_EXIT, status};
    for (;;) {
        (void)semihosting_call(SEMIHOSTING_EXIT_EXTENDED, arguments);
    }
}

_Noreturn static void stop(const char *message)
{
    (void)semihosting_call(SEMIHOSTING_WRITE0, message);
    midge_port_exit(3u);
}

static uint32_t open_file(const char *name, uint32_t length, uint32_t mode)
{
    const uint32_t arguments[3] = {(uint32_t)(uintptr_t)name, mode, length};
    const int32_t handle = semihosting_call(SEMIHOSTING_OPEN, arguments);
    if (handle < 0) {
        stop("harness: cannot open midge.in or midge.out\n");
    }
    return (uint32_t)handle;
}

static void read_exactly(uint32_t handle, void *to, uint32_t size)
{
    const uint32_t arguments[3] = {handle, (uint32_t)(uintptr_t)to, size};
    if (size != 0u && semihosting_call(SEMIHOSTING_READ, arguments) != 0) {
        stop("harness: midge.in ends early\n");
    }
}

static void write_exactly(uint32_t handle, const void *from, uint32_t size)
{
    const uint32_t arguments[3] = {handle, (uint32_t)(uintptr_t)from, size};
    if (size != 0u && semihosting_call(SEMIHOSTING_WRITE, arguments) != 0) {
        stop("harness: midge.out cannot be written\n");
    }
}

#if defined(__arm__)
#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010u)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014u)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xE000E018u)

/* SysTick counts the processor clock down over 24 bits; two turns cannot be told from one. */
__attribute__((noinline)) static void measure(midge_port_measured run, struct measurement *result)
{
    SYSTICK_RELOAD = 0xFFFFFFu;
    SYSTICK_VALUE = 0u;
    SYSTICK_CONTROL = 5u;
    (void)SYSTICK_CONTROL;
    const uint32_t before = SYSTICK_VALUE;
    result->status = (uint32_t)run(midge_port_arena, midge_port_state);
    const uint32_t after = SYSTICK_VALUE;
    result->in_range = (SYSTICK_CONTROL & 0x10000u) == 0u ? 1u : 0u;
    result->clock = (before - after) & 0xFFFFFFu;
}
#else
static inline uint32_t read_minstret(void)
{
    register uint32_t a0 __asm__("a0");
    __asm__ volatile(".word 0xb0202573" : "=r"(a0)::"memory"); /* csrr a0, minstret */
    return a0;
}

static inline uint32_t read_minstreth(void)
{
    register uint32_t a0 __asm__("a0");
    __asm__ volatile(".word 0xb8202573" : "=r"(a0)::"memory"); /* csrr a0, minstreth */
    return a0;
}

__attribute__((noinline)) static void measure(midge_port_measured run, struct measurement *result)
{
    const uint32_t high_before = read_minstreth();
    const uint32_t before = read_minstret();
    result->status = (uint32_t)run(midge_port_arena, midge_port_state);
    const uint32_t after = read_minstret();
    const uint32_t high_after = read_minstreth();
    const uint64_t start = ((uint64_t)high_before << 32) | before;
    result->clock = (((uint64_t)high_after << 32) | after) - start;
    result->in_range = 1u;
}
#endif

static uint32_t painted_peak(void)
{
    const volatile uint32_t *word = midge_port_stack_bottom;
    while (word < midge_port_stack_top && *word == STACK_PAINT_WORD) {
        ++word;
    }
    const uint32_t lowest = (uint32_t)(uintptr_t)word;
    return lowest < midge_port_stack_mark ? midge_port_stack_mark - lowest : 0u;
}

_Noreturn void midge_port_main(void)
{
    uint32_t samples = 0u;
    struct measurement measured;
    const uint32_t in = open_file("midge.in", 8u, SEMIHOSTING_MODE_READ);
    const uint32_t out = open_file("midge.out", 9u, SEMIHOSTING_MODE_WRITE);
    read_exactly(in, &samples, 4u);
    MIDGE_HARNESS_INIT(midge_port_arena, midge_port_state);
    for (uint32_t sample = 0u; sample < samples; ++sample) {
        for (unsigned i = 0u; i < MIDGE_HARNESS_INPUTS; ++i) {
            read_exactly(in, MIDGE_HARNESS_INPUT(midge_port_arena, i), midge_harness_input_bytes[i]);
        }
        measure(midge_port_mark_stack, &measured);
        midge_port_paint_stack();
        measure(MIDGE_HARNESS_RUN, &measured);
        const uint32_t peak = painted_peak();
        write_exactly(out, &measured, 16u);
        write_exactly(out, &peak, 4u);
        for (unsigned i = 0u; i < MIDGE_HARNESS_OUTPUTS; ++i) {
            write_exactly(out, MIDGE_HARNESS_OUTPUT(midge_port_arena, i),
                          midge_harness_output_bytes[i]);
        }
    }
    measure(midge_port_nothing, &measured);
    write_exactly(out, &measured.clock, 8u);
    const uint32_t close[1] = {out};
    (void)semihosting_call(SEMIHOSTING_CLOSE, close);
    midge_port_exit(0u);
}
