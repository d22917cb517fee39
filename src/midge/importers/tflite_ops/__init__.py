"""One module for each .tflite operator: `BUILTIN` names it, `convert` reads it.

`convert` gives the operator's attributes and those of its inputs that the graph keeps.
Every module of this package is imported here, so that a new operator is one new file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from midge.graph import Attributes, Tensor
from midge.importers.tflite_ops.operands import Operands

Converted = tuple[Attributes, tuple[Tensor | None, ...]]

CONVERTERS: dict[str, Callable[[Operands], Converted]] = {}

for _found in pkgutil.iter_modules(__path__):
    _module = importlib.import_module(f"{__name__}.{_found.name}")
    if hasattr(_module, "BUILTIN"):
        CONVERTERS[_module.BUILTIN] = _module.convert
