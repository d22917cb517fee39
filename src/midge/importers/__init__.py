"""Files from outside -> graph."""

from midge.importers.tflite import c_identifier, import_tflite

__all__ = ["c_identifier", "import_tflite"]
