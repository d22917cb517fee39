"""What a kernel is to the compiler: where it applies, what it needs, how it is called.

A kernel's body is a C file of `device/kernels`; the classes of `midge.c_emitter.kernels` say the
rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.graph import DType, Graph, Op, Tensor


@dataclass(frozen=True)
class Layer:
    """An operator with its tensors at hand, and its place in the graph.

    Attributes:
        index: Position in the graph's order.
        op: The operator.
        inputs: Its input tensors, None where an optional one is left out.
        outputs: Its output tensors.
    """

    index: int
    op: Op
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]

    def input(self, index: int) -> Tensor:
        """A required input."""
        tensor = self.inputs[index]
        if tensor is None:
            raise ValueError(f"{self.op.name}: input {index} is left out; verify the graph first")
        return tensor

    def optional(self, index: int) -> Tensor | None:
        """An optional input; None where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    @property
    def output(self) -> Tensor:
        """The first output."""
        return self.outputs[0]

    @property
    def has_state(self) -> bool:
        """True when it reads or rewrites a variable."""
        return any(t is not None and t.variable for t in self.inputs)

    @property
    def symbol(self) -> str:
        """Suffix of the layer's function and constants in the emitted C."""
        return f"{self.index:02d}_{self.op.kind}"


def layers_of(graph: Graph) -> tuple[Layer, ...]:
    """Every operator of a graph as a layer."""
    return tuple(
        Layer(i, op, graph.op_inputs(op), graph.op_outputs(op)) for i, op in enumerate(graph.ops)
    )


@dataclass(frozen=True, eq=False)
class Constant:
    """An array of the emitted C, in flash.

    Attributes:
        suffix: Its name behind the layer's, such as ``weights``.
        values: One-dimensional; its dtype gives the C type.
        alignment: Of its first byte.
    """

    suffix: str
    values: npt.NDArray[np.generic]
    alignment: int = 4


@dataclass(frozen=True)
class TileFunction:
    """A function that is generated for a layer, in assembly: the innermost loops.

    Attributes:
        name: Of the C function; two of one name have one text, and are emitted once.
        text: Its definition, from `midge.c_emitter.tiles`.
    """

    name: str
    text: str


@dataclass(frozen=True)
class Call:
    """How a layer's function calls its kernel.

    Attributes:
        arguments: C expressions, without the parameters.
        struct: The kernel's parameter struct.
        fields: Its fields: numbers, C expressions, or nested mappings and sequences of these.
        constants: Arrays that the arguments name through `Places.constant`.
        further: Calls of the same function behind this one, without constants of their own.
    """

    arguments: tuple[str, ...]
    struct: str
    fields: Mapping[str, object]
    constants: tuple[Constant, ...] = ()
    further: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Places:
    """C expressions for where a layer's data stands.

    Attributes:
        inputs: One an input, a variable's included; "NULL" where it is left out, or a constant,
            which the layer has to bring along.
        outputs: One an output.
        scratch: The layer's scratch as ``uint8_t *``; "NULL" without.
        constant: The name of the layer's constant with this suffix.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    scratch: str
    constant: Callable[[str], str]


def operands(
    layer: Layer, places: Places, names: Sequence[str]
) -> tuple[tuple[str, ...], tuple[Constant, ...]]:
    """Each of the first inputs as a C expression, whether it is computed or a constant.

    Args:
        layer: The layer.
        places: Its places.
        names: A suffix for each input, should it be a constant.

    Returns:
        The expressions, and the arrays that they name.
    """
    expressions: list[str] = []
    constants: list[Constant] = []
    for name, tensor, place in zip(names, layer.inputs, places.inputs, strict=False):
        if tensor is None or not tensor.is_constant:
            expressions.append(place)
            continue
        expressions.append(places.constant(name))
        constants.append(Constant(name, np.asarray(tensor.data).reshape(-1)))
    return tuple(expressions), tuple(constants)


class Kernel:
    """One way to compute operators of some kinds and types.

    Attributes:
        kinds: The operators.
        types: Element types of the first input.
        variant: Names the way among others for this operator: ``portable``, ``dsp``.
        function: The C function.
        source: Its file in `device/kernels`.
        requires: Features that the core must have.
        excludes: Features with which a core always has something better.
        rank: Kernels of an operator stand from plain to fast by it: 0 portable C, 10 C with the
            core's own instructions, 20 and more generated for the layer.
        by_rule: Taken without having been measured. False for what is fast but dear in flash or
            RAM.
        spares_flash: Taken by rule where flash is the goal, even if not `by_rule`.
        further_sources: Files of `device/kernels` whose functions its calls name as well.
    """

    kinds: tuple[str, ...]
    types: tuple[DType, ...] = (DType.INT8,)
    variant: str = "portable"
    function: str
    source: str
    requires: frozenset[str] = frozenset()
    excludes: frozenset[str] = frozenset()
    rank: int = 0
    by_rule: bool = True
    spares_flash: bool = False
    further_sources: tuple[str, ...] = ()

    def applies(self, layer: Layer) -> bool:  # noqa: ARG002 - most refuse nothing
        """True when the kernel computes this layer bit for bit.

        The layer has one of the kernel's kinds and types.
        """
        return True

    def tiles(self, layer: Layer) -> tuple[TileFunction, ...]:  # noqa: ARG002 - most are all C
        """Functions that are generated for this layer and named in its call."""
        return ()

    def scratch_bytes(self, layer: Layer) -> int:  # noqa: ARG002 - most kernels need none
        """Arena bytes that the kernel needs while it runs, aligned to 8."""
        return 0

    def overlap(self, layer: Layer, index: int) -> int | None:  # noqa: ARG002 - None is always safe
        """How far input `index` must stand behind the output for the two to share memory.

        Returns:
            The least safe ``offset(input) - offset(output)`` in bytes, which follows from the
            order in which the kernel reads and writes; None where sharing is never safe.
        """
        return None

    def call(self, layer: Layer, places: Places) -> Call:
        """The call and its constants, every number bound."""
        raise NotImplementedError
