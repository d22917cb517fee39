/* What arithmetic_s32.h and arithmetic_f32.h compute. */

enum midge_arithmetic {
    MIDGE_ADDITION,
    MIDGE_SUBTRACTION,
    MIDGE_MULTIPLICATION,
    MIDGE_DIVISION,
    MIDGE_SQUARED_SUBTRACTION,
    MIDGE_PARAMETRIC_RELU
};
