"""The operators, one a file: attributes, types, shape rule, meaning.

Every module of this package is imported here, so that a new operator is one new file. `OPS` maps an
operator's kind to its class.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from midge.graph.types import Attributes

OPS: dict[str, type[Attributes]] = {}

for _module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
    for _member in vars(importlib.import_module(f"{__name__}.{_module.name}")).values():
        if inspect.isclass(_member) and issubclass(_member, Attributes) and "kind" in vars(_member):
            OPS[_member.kind] = _member

__all__ = ["OPS"]
