"""The table of converters, and the decorator that fills it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from midge.graph import Tensor
from midge.importers.torch_ops.call import Call

Converted = Tensor | tuple[Tensor | None, ...]
"""What a call gives; None for an output that cannot be had, and matters only where it is used."""
Convert = Callable[[Call], Converted]


@dataclass(frozen=True)
class Converter:
    """How one operator of a program becomes operators of the graph.

    Attributes:
        op: Name of the overload.
        convert: Reads arguments and builds.
        may_alias: Its output may share memory with its first argument, so that changing one in
            place changes the other.
    """

    op: str
    convert: Convert
    may_alias: bool = False


CONVERTERS: dict[str, Converter] = {}
"""By the name of the operator's overload."""


def converts(*ops: str, may_alias: bool = False) -> Callable[[Convert], Convert]:
    """Register a function as the converter of operators; decorators may be stacked."""

    def register(convert: Convert) -> Convert:
        for op in ops:
            CONVERTERS[op] = Converter(op, convert, may_alias)
        return convert

    return register
