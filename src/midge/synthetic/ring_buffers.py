"""Windows over time whose past is kept in resource variables, as streaming Keras models have them.

Each run brings the newest steps of a sequence; what a layer's window reaches back to beyond them is
read from a variable, joined with them, and the end of it is assigned for the next run. The form is
that of Rybakov et al., "Streaming keyword spotting on mobile devices", 2020 (google-research,
kws_streaming).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.synthetic.model_description import Fields, ModelDescription, Operator, Tensor
from midge.synthetic.movement_operators import concatenation, int32, moved
from midge.synthetic.network_builder import NetworkBuilder, Reals


class RingBuffers:
    """Adds windows to a network, and the function that gives their variables first values."""

    def __init__(self, builder: NetworkBuilder) -> None:
        self._builder = builder
        self._first: dict[str, Tensor] = {}

    def window(self, x: str, steps: int, first: NDArray[Any] | None = None) -> str:
        """`x` behind the steps before it: dimension 1 grows by `steps`.

        Args:
            x: [batch, new steps, ...].
            steps: How far the window reaches back.
            first: What stands for the steps before the first run, [batch, steps, ...] as stored;
                None assigns zeros as reals.
        """
        builder = self._builder
        quantization = builder.quantization(x)
        shape = (builder.shape(x)[0], steps, *builder.shape(x)[2:])
        name = f"ring_buffer_{len(self._first)}"
        if first is None:
            first = np.full(shape, quantization.zero_point, builder.dtype(x))
        self._first[name] = Tensor(f"{name}/first", shape, builder.dtype(x), quantization, first)
        table = Fields.of("VarHandleOptions", Container="", SharedName=name)
        handle = builder.operator(
            "VAR_HANDLE", (), table, np.zeros(len(builder.values(x))), None, dtype="resource"
        )
        past, read = _past(builder.values(x), steps), Fields("ReadVariableOptions")
        kept = moved(builder, "READ_VARIABLE", x, (handle,), past, read)
        joined = concatenation(builder, (kept, x), 1)
        newest = _newest(builder, joined, steps)
        assign = Fields("AssignVariableOptions")
        builder.operators("ASSIGN_VARIABLE", (handle, newest), assign, (), (), dtype="int8")
        return joined

    def build(self, outputs: tuple[str, ...], comment: str = "") -> ModelDescription:
        """The network, in front of it the CALL_ONCE of the function that sets the variables."""
        model = self._builder.build(outputs, comment)
        call = Operator("CALL_ONCE", (), (), Fields.of("CallOnceOptions", InitSubgraphIndex=1))
        tensors: list[Tensor] = []
        operators: list[Operator] = []
        for name, first in self._first.items():
            handle = Tensor(f"{name}/handle", (), "resource")
            tensors += [handle, first]
            table = Fields.of("VarHandleOptions", Container="", SharedName=name)
            operators.append(Operator("VAR_HANDLE", (), (handle.name,), table))
            assign = Fields("AssignVariableOptions")
            operands = (handle.name, first.name)
            operators.append(Operator("ASSIGN_VARIABLE", operands, (), assign))
        function = ModelDescription(tuple(tensors), tuple(operators), (), ())
        return replace(model, operators=(call, *model.operators), functions=(function,))


def _newest(builder: NetworkBuilder, x: str, steps: int) -> str:
    """``x[:, -steps:]`` in the words of TensorFlow's exporter."""
    rank = len(builder.shape(x))
    bounds = [(0, -steps, *(0,) * (rank - 2)), (0,) * rank, (1,) * rank]
    everywhere = (1 << rank) - 1
    table = Fields.of("StridedSliceOptions", BeginMask=everywhere & ~2, EndMask=everywhere)
    inputs = (x, *(int32(builder, bound) for bound in bounds))
    return moved(builder, "STRIDED_SLICE", x, inputs, builder.values(x)[:, :, -steps:], table)


def _past(values: Reals, steps: int) -> Reals:
    """The steps before each sample's, as if the samples went round and round."""
    new = values.shape[2]
    runs = -(-steps // new)
    past = [np.roll(values, back, axis=0) for back in range(runs, 0, -1)]
    return np.concatenate(past, axis=2)[:, :, -steps:]
