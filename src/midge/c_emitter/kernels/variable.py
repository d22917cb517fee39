"""Kernels of read_variable and assign_variable: `copy.h`."""

from __future__ import annotations

from midge.c_emitter.kernel import Call, Kernel, Layer, Places, operands
from midge.graph.ops.variable import AssignVariable, ReadVariable


class _Copy(Kernel):
    """Bytes from a variable or to one."""

    function = "midge_copy_bytes"
    source = "copy.h"


class ReadPortable(_Copy):
    """Out of the state."""

    kinds = (ReadVariable.kind,)
    types = ReadVariable.types

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        fields = {"size": layer.output.size_bytes}
        return Call((places.inputs[0], places.outputs[0]), "midge_copy", fields)


class AssignPortable(_Copy):
    """Into the state."""

    kinds = (AssignVariable.kind,)
    types = AssignVariable.types

    def call(self, layer: Layer, places: Places) -> Call:
        """A constant value stands in flash."""
        (variable, value), constants = operands(layer, places, ("variable", "value"))
        fields = {"size": layer.input(1).size_bytes}
        return Call((value, variable), "midge_copy", fields, constants)


KERNELS = (ReadPortable(), AssignPortable())
