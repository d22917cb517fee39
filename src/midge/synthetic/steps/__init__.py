"""How networks are made of each operator, one module a family of operators.

A module has

- `STEPS`: for each operator the function that may add one to a random network;
- `CASES`: networks of one operator each, with every attribute and every extreme number;
- `NOT_IN_TFLM`: pairs (operator, element type of its first input) that TFLite Micro does not take.

Every module of this package is imported here, so that a new family is one new file. An operator
that stands in several files (int8 here, float32 there) has several ways to grow.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from midge.synthetic.growth import Case, Step

STEPS: dict[str, tuple[Step, ...]] = {}
CASES: list[Case] = []
NOT_IN_TFLM: set[tuple[str, str]] = set()


def _modules() -> list[ModuleType]:
    # The spine first: the order is that of what failing networks shrink towards.
    names = sorted(
        (m.name for m in pkgutil.iter_modules(__path__)), key=lambda n: (n != "spine", n)
    )
    return [importlib.import_module(f"{__name__}.{name}") for name in names]


for _module in _modules():
    for _op, _step in getattr(_module, "STEPS", {}).items():
        STEPS[_op] = (*STEPS.get(_op, ()), _step)
    CASES += getattr(_module, "CASES", ())
    NOT_IN_TFLM |= getattr(_module, "NOT_IN_TFLM", set())
