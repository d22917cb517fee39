/* A hand-written model with the emitter's interface, for tests of the toolchain and the machines. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdint.h>

#define SAMPLE_ARENA_BYTES 416
#define SAMPLE_ARENA_ALIGN 16
#define SAMPLE_STATE_BYTES 4

#ifndef MIDGE_STATUS
#define MIDGE_STATUS
enum midge_status { MIDGE_OK = 0, MIDGE_BAD_ARGUMENT = 1 };
#endif

void sample_init(void *arena, void *state);
int8_t *sample_input(void *arena, unsigned index);
const int8_t *sample_output(const void *arena, unsigned index);
enum midge_status sample_run(void *arena, void *state);

#endif
