/* add, with the DSP extension's rounding high multiply in place of a 64-bit product. */
#include "dsp.h"
#include "add.h"
