"""The table of converters, and the decorator that fills it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from midge.graph import Attributes, Tensor
from midge.importers.tflite_ops.operands import Operands

Converted = tuple[Attributes, tuple[Tensor | None, ...]]
"""An operator's attributes, and those of its inputs that the graph keeps."""
Convert = Callable[[Operands], Converted]


@dataclass(frozen=True)
class Converter:
    """How one operator of a file becomes one of the graph.

    Attributes:
        builtin: The schema's name.
        gives: The graph's operators that may come of it.
        convert: Reads attributes and inputs.
    """

    builtin: str
    gives: tuple[type[Attributes], ...]
    convert: Convert


CONVERTERS: dict[str, Converter] = {}
"""By the schema's name of the operator."""


def converts(builtin: str, *gives: type[Attributes]) -> Callable[[Convert], Convert]:
    """Register a function as the converter of one operator; decorators may be stacked."""

    def register(convert: Convert) -> Convert:
        CONVERTERS[builtin] = Converter(builtin, gives, convert)
        return convert

    return register
