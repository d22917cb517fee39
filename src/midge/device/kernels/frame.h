/* A frame that is handed in row by row. */
#include "base.h"

struct midge_frame {
    uint32_t mark; /* the network's own number, once a frame has been begun */
    int32_t rows;  /* handed in so far */
};
