/* Weights of four bits for SMLAD: eight to a word, in the order in which midge_widen_s8 puts activations.
   From the top, the upper half of a word holds weights 2, 3, 6, 7 and the lower one 0, 1, 4, 5. Shifted left by
   0, 4, 8 or 12 bits and cut to the top nibble of each half, the word is a pair of halves, each a weight times 2^12:
   one AND instead of a sign extension for each half.
   So a sum is 2^12 times too large, and must be scaled back before it leaves int32. Its terms are at most 128 times the
   magnitude of a weight: where the magnitudes of the weights of a block come to no more than 4095, every partial sum
   is at most 128 * 4095 * 2^12 = 2^31 - 2^19. The compiler chooses the block so; 496 weights of -8 come to 3968. */
#include "dsp.h"

#define MIDGE_TOP_NIBBLES 0xF000F000u

/* A sum of products with weights times 2^12: the lower 12 bits are zero. */
MIDGE_KERNEL int32_t midge_unscale_s4(int32_t sum) { return sum >> 12; }
