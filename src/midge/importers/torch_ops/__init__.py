"""How each ATen operator is read: functions that `@converts` registers in `CONVERTERS`.

Every module of this package is imported here, so that a new operator is one new function.
"""

from __future__ import annotations

import importlib
import pkgutil

from midge.importers.torch_ops.registry import CONVERTERS, Converter

for _found in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
    importlib.import_module(f"{__name__}.{_found.name}")

__all__ = ["CONVERTERS", "Converter"]
