/* Semihosting: how a program under an emulator or debugger asks its host to do input and output.
 * Arm: "Semihosting for AArch32 and AArch64", release 2.0. RISC-V: the "RISC-V Semihosting"
 * specification, which takes the same operations through its own trap sequence. */
#ifndef MIDGE_SEMIHOSTING_H
#define MIDGE_SEMIHOSTING_H

#include <stdint.h>

enum semihosting_operation {
    SEMIHOSTING_OPEN = 0x01,
    SEMIHOSTING_CLOSE = 0x02,
    SEMIHOSTING_WRITE0 = 0x04,
    SEMIHOSTING_WRITE = 0x05,
    SEMIHOSTING_READ = 0x06,
    SEMIHOSTING_EXIT_EXTENDED = 0x20
};

/* The modes of fopen(): "rb" is 1, "wb" is 5. */
enum { SEMIHOSTING_MODE_READ = 1, SEMIHOSTING_MODE_WRITE = 5 };

/* The reason code of an exit that carries a status: ADP_Stopped_ApplicationExit. */
#define SEMIHOSTING_APPLICATION_EXIT 0x20026u

/* Every argument block has at most four words; registers and words are 32 bits wide here. */
#if defined(__arm__)
static inline int32_t semihosting_call(uint32_t operation, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}
#elif defined(__riscv) && __riscv_xlen == 32
/* In startup_riscv.c: the trap sequence must lie within one page. */
int32_t semihosting_call(uint32_t operation, const void *arguments);
#else
#error "semihosting is written for Arm M-profile and RV32"
#endif

#endif
