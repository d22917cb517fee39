/* add, int8, with the DSP extension's rounding high multiply in place of a 64-bit product. */
#include "dsp.h"
#include "add_s8.h"
