"""The kernels, one operator a file; each file lists its ways from plain to fast in `KERNELS`.

Every module of this package is imported here, so that kernels for a new operator are one new file.
"""

from __future__ import annotations

import importlib
import pkgutil

from midge.c_emitter.kernel import Kernel

KERNELS: dict[str, tuple[Kernel, ...]] = {}
"""Kernels by kind of operator, from plain to fast."""

for _found in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
    for _kernel in importlib.import_module(f"{__name__}.{_found.name}").KERNELS:
        for _kind in _kernel.kinds:
            KERNELS[_kind] = (*KERNELS.get(_kind, ()), _kernel)
for _kind, _found_kernels in KERNELS.items():
    KERNELS[_kind] = tuple(sorted(_found_kernels, key=lambda k: k.rank))

__all__ = ["KERNELS"]
