/* Start-up of an Arm M-profile core: vector table, copy of .data, cleared .bss, coprocessors on.
 * Nothing of this is part of a shipped model: a board's own firmware brings its own. */
#include <stdint.h>

#include "semihosting.h"

extern uint32_t midge_port_stack_top[];
extern uint32_t midge_port_data_start[], midge_port_data_end[], midge_port_data_load[];
extern uint32_t midge_port_bss_start[], midge_port_bss_end[];

_Noreturn void midge_port_main(void);
_Noreturn void midge_port_exit(uint32_t status);
_Noreturn void midge_port_fault(const uint32_t *frame);

_Noreturn void midge_port_reset(void);
void midge_port_fault_entry(void);

typedef void (*vector)(void);

/* ARMv6-M, v7-M and v8-M agree on the first 16 words; external interrupts stay disabled. */
__attribute__((section(".midge_port.vectors"), used)) static const vector vectors[16] = {
    (vector)midge_port_stack_top,
    midge_port_reset,
    midge_port_fault_entry, /* NMI */
    midge_port_fault_entry, /* HardFault */
    midge_port_fault_entry, /* MemManage */
    midge_port_fault_entry, /* BusFault */
    midge_port_fault_entry, /* UsageFault */
    midge_port_fault_entry, /* SecureFault */
    midge_port_fault_entry,
    midge_port_fault_entry,
    midge_port_fault_entry,
    midge_port_fault_entry, /* SVCall */
    midge_port_fault_entry,
    midge_port_fault_entry,
    midge_port_fault_entry, /* PendSV */
    midge_port_fault_entry, /* SysTick: its interrupt is never enabled */
};

_Noreturn void midge_port_reset(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    /* CPACR: full access to CP10 and CP11, the FPU and Helium (ARMv8-M ARM, D1.2.14). */
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
    const volatile uint32_t *from = midge_port_data_load;
    for (volatile uint32_t *to = midge_port_data_start; to < midge_port_data_end; ++to) {
        *to = *from++;
    }
    for (volatile uint32_t *to = midge_port_bss_start; to < midge_port_bss_end; ++to) {
        *to = 0u;
    }
    midge_port_main();
}

/* Hands the stacked exception frame (r0-r3, r12, lr, pc, xpsr) to C. The stack may be what is
 * broken, so the handler continues on a fresh one. */
__attribute__((naked, used)) void midge_port_fault_entry(void)
{
    __asm__ volatile("mrs r0, msp\n"
                     "ldr r1, =midge_port_stack_top\n"
                     "msr msp, r1\n"
                     "ldr r1, =midge_port_fault\n"
                     "bx r1\n");
}

_Noreturn void midge_port_fault(const uint32_t *frame)
{
    static const char digits[] = "0123456789abcdef";
    static char text[] = "fault: pc=00000000 lr=00000000 cfsr=00000000 bfar=00000000\n";
    const uint32_t ram = (uint32_t)(uintptr_t)midge_port_stack_top & 0xFFC00000u;
    const uint32_t address = (uint32_t)(uintptr_t)frame;
    const int readable = address >= ram && address < (uint32_t)(uintptr_t)midge_port_stack_top;
    const uint32_t values[4] = {
        readable ? frame[6] : 0u,
        readable ? frame[5] : 0u,
        *(const volatile uint32_t *)0xE000ED28u,
        *(const volatile uint32_t *)0xE000ED38u,
    };
    static const uint8_t positions[4] = {10u, 22u, 36u, 50u};
    for (uint32_t i = 0; i < 4u; ++i) {
        for (uint32_t d = 0; d < 8u; ++d) {
            text[positions[i] + d] = digits[(values[i] >> (28u - 4u * d)) & 15u];
        }
    }
    (void)semihosting_call(SEMIHOSTING_WRITE0, text);
    midge_port_exit(2u);
}
