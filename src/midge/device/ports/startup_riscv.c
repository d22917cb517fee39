/* Start-up of an RV32 core in machine mode: stack, trap vector, copy of .data, cleared .bss.
 * Nothing of this is part of a shipped model: a board's own firmware brings its own. */
#include <stdint.h>

#include "semihosting.h"

extern uint32_t midge_port_stack_top[];
extern uint32_t midge_port_data_start[], midge_port_data_end[], midge_port_data_load[];
extern uint32_t midge_port_bss_start[], midge_port_bss_end[];

_Noreturn void midge_port_main(void);
_Noreturn void midge_port_exit(uint32_t status);

void midge_port_reset(void);
void midge_port_fault_entry(void);
_Noreturn void midge_port_start(void);
_Noreturn void midge_port_fault(uint32_t pc, uint32_t cause, uint32_t value);

/* The control and status registers are written as words, because compilers disagree on whether
 * their names need the Zicsr extension switched on. */
__attribute__((naked, section(".midge_port.vectors"), used)) void midge_port_reset(void)
{
    __asm__ volatile("la t0, midge_port_fault_entry\n"
                     ".word 0x30529073\n" /* csrw mtvec, t0 */
                     "la sp, midge_port_stack_top\n"
                     "j midge_port_start\n");
}

__attribute__((naked, aligned(4), used)) void midge_port_fault_entry(void)
{
    __asm__ volatile(".word 0x34102573\n" /* csrr a0, mepc */
                     ".word 0x342025f3\n" /* csrr a1, mcause */
                     ".word 0x34302673\n" /* csrr a2, mtval */
                     "la sp, midge_port_stack_top\n"
                     "j midge_port_fault\n");
}

/* The sequence of uncompressed instructions that the host takes for a request: 16 aligned bytes, so
 * that no page boundary lies in it. */
__attribute__((naked, noinline, aligned(16))) int32_t semihosting_call(uint32_t operation,
                                                                       const void *arguments)
{
    __asm__ volatile(".option push\n"
                     ".option norvc\n"
                     "slli x0, x0, 0x1f\n"
                     "ebreak\n"
                     "srai x0, x0, 7\n"
                     "ret\n"
                     ".option pop\n");
}

_Noreturn void midge_port_start(void)
{
    const volatile uint32_t *from = midge_port_data_load;
    for (volatile uint32_t *to = midge_port_data_start; to < midge_port_data_end; ++to) {
        *to = *from++;
    }
    for (volatile uint32_t *to = midge_port_bss_start; to < midge_port_bss_end; ++to) {
        *to = 0u;
    }
    midge_port_main();
}

_Noreturn void midge_port_fault(uint32_t pc, uint32_t cause, uint32_t value)
{
    static const char digits[] = "0123456789abcdef";
    static char text[] = "fault: pc=00000000 cause=00000000 value=00000000\n";
    static const uint8_t positions[3] = {10u, 25u, 40u};
    const uint32_t values[3] = {pc, cause, value};
    for (uint32_t i = 0; i < 3u; ++i) {
        for (uint32_t d = 0; d < 8u; ++d) {
            text[positions[i] + d] = digits[(values[i] >> (28u - 4u * d)) & 15u];
        }
    }
    (void)semihosting_call(SEMIHOSTING_WRITE0, text);
    midge_port_exit(2u);
}
