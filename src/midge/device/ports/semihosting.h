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
static inline int32_t semihosting_call(uint32_t operation, const void *arguments)
{
#if defined(__arm__)
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
#elif defined(__riscv) && __riscv_xlen == 32
    register uint32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = arguments;
    /* The three instructions must be uncompressed and may not straddle a page. */
    __asm__ volatile(".option push\n"
                     ".option norvc\n"
                     ".balign 16\n"
                     "slli x0, x0, 0x1f\n"
                     "ebreak\n"
                     "srai x0, x0, 7\n"
                     ".option pop\n"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return (int32_t)a0;
#else
#error "semihosting is written for Arm M-profile and RV32"
#endif
}

#endif
