"""Files from outside -> graph."""

from midge.importers.tflite import c_identifier, import_tflite
from midge.importers.tflite_convert import VARIABLE_OPERATORS
from midge.importers.tflite_ops import CONVERTERS
from midge.importers.tflm_operators import TFLM_BUILTINS, TFLM_CUSTOM

__all__ = [
    "CONVERTERS",
    "TFLM_BUILTINS",
    "TFLM_CUSTOM",
    "VARIABLE_OPERATORS",
    "c_identifier",
    "import_tflite",
]
