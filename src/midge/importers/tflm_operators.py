"""The operators that TFLite Micro has, to say which of them Midge lacks.

Source: tflite-micro `python/tflite_micro/python_ops_resolver.cc`, which registers everything that
its interpreter has, and `micro/kernels/var_handle.cc` and its neighbours for their names.
"""

from __future__ import annotations

TFLM_BUILTINS: frozenset[str] = frozenset(
    (
        *("ABS", "ADD", "ADD_N", "ARG_MAX", "ARG_MIN", "ASSIGN_VARIABLE", "AVERAGE_POOL_2D"),
        *("BATCH_MATMUL", "BATCH_TO_SPACE_ND", "BROADCAST_ARGS", "BROADCAST_TO", "CALL_ONCE"),
        *("CAST", "CEIL", "CONCATENATION", "CONV_2D", "COS", "CUMSUM", "DEPTH_TO_SPACE"),
        *("DEPTHWISE_CONV_2D", "DEQUANTIZE", "DIV", "DYNAMIC_UPDATE_SLICE", "ELU"),
        *("EMBEDDING_LOOKUP", "EQUAL", "EXP", "EXPAND_DIMS", "FILL", "FLOOR", "FLOOR_DIV"),
        *("FLOOR_MOD", "FULLY_CONNECTED", "GATHER", "GATHER_ND", "GREATER", "GREATER_EQUAL"),
        *("HARD_SWISH", "IF", "L2_NORMALIZATION", "L2_POOL_2D", "LEAKY_RELU", "LESS"),
        *("LESS_EQUAL", "LOG", "LOG_SOFTMAX", "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR"),
        *("LOGISTIC", "MAX_POOL_2D", "MAXIMUM", "MEAN", "MINIMUM", "MIRROR_PAD", "MUL", "NEG"),
        *("NOT_EQUAL", "PACK", "PAD", "PADV2", "PRELU", "QUANTIZE", "READ_VARIABLE"),
        *("REDUCE_ALL", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6", "RESHAPE"),
        *("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "ROUND", "RSQRT"),
        *("SELECT_V2", "SHAPE", "SIN", "SLICE", "SOFTMAX", "SPACE_TO_BATCH_ND"),
        *("SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQRT", "SQUARE", "SQUARED_DIFFERENCE"),
        *("SQUEEZE", "STRIDED_SLICE", "SUB", "SUM", "SVDF", "TANH", "TRANSPOSE"),
        *("TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNPACK", "VAR_HANDLE", "WHILE"),
        *("ZEROS_LIKE",),
    )
)
"""Those of the schema, by its names."""

TFLM_CUSTOM: frozenset[str] = frozenset(
    (
        *("CIRCULAR_BUFFER", "DECODE", "SignalDelay", "TFLite_Detection_PostProcess"),
        *("SignalEnergy", "ethos-u", "SignalFftAutoScale", "SignalFilterBank"),
        *("SignalFilterBankLog", "SignalFilterBankSpectralSubtraction"),
        *("SignalFilterBankSquareRoot", "SignalFramer", "SignalIrfft", "SignalOverlapAdd"),
        *("SignalPCAN", "SignalRfft", "SignalStacker", "SignalWindow"),
    )
)
"""Its own: signal processing, compressed weights, one accelerator."""
