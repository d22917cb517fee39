"""A graph with its kernels chosen, as the memory planner sees it."""

from __future__ import annotations

from midge.c_emitter.choose import Choice
from midge.c_emitter.kernel import Kernel, Layer, layers_of
from midge.graph import Graph
from midge.memory_plan import Alias, Buffer, Overlap, Problem, Step

ALIGNMENT = 4
"""Of every tensor: kernels load whole words. int64 tensors stand on 8 bytes."""
SCRATCH_ALIGNMENT = 8


def planning_problem(graph: Graph, choice: Choice, *, keep_input: bool = False) -> Problem:
    """Everything that needs a place in the arena, and who may share one.

    Args:
        graph: A verified graph.
        choice: Its kernels.
        keep_input: The inputs must still be there after the run.
    """
    layers = layers_of(graph)
    kept = {n: t for n, t in graph.tensors.items() if t.is_computed}
    aliases = tuple(
        Alias(layer.input(0).name, layer.output.name)
        for layer, kernel in zip(layers, choice, strict=True)
        if kernel is None and not layer.input(0).is_constant
    )
    touched: dict[str, str] = {}
    steps = tuple(
        _step(layer, kernel, touched) for layer, kernel in zip(layers, choice, strict=True)
    )
    return Problem(
        buffers=tuple(
            Buffer(n, t.size_bytes, max(ALIGNMENT, t.dtype.size_bits // 8)) for n, t in kept.items()
        ),
        steps=steps,
        inputs=graph.inputs,
        outputs=tuple(
            dict.fromkeys(n for n in graph.outputs if n in kept and n not in graph.inputs)
        ),
        keep=tuple(n for n in graph.inputs if keep_input or n in graph.outputs),
        aliases=aliases,
    )


def _step(layer: Layer, kernel: Kernel | None, touched: dict[str, str]) -> Step:
    """One step; `touched` has the last one that touched each variable, and is brought up to date.

    Steps that touch one variable keep their order.
    """
    operands = [(i, t) for i, t in enumerate(layer.inputs) if t is not None and t.is_computed]
    variables = [t.name for t in layer.inputs if t is not None and t.variable]
    after = tuple(dict.fromkeys(touched[n] for n in variables if n in touched))
    touched.update(dict.fromkeys(variables, layer.op.name))
    overlaps = []
    if kernel is not None and layer.outputs:
        for index, tensor in operands:
            distance = kernel.overlap(layer, index)
            if distance is not None:
                overlaps.append(Overlap(tensor.name, layer.output.name, distance))
    return Step(
        name=layer.op.name,
        reads=tuple(t.name for _, t in operands),
        writes=tuple(t.name for t in layer.outputs),
        scratch_bytes=0 if kernel is None else kernel.scratch_bytes(layer),
        overlaps=tuple(overlaps),
        scratch_alignment=SCRATCH_ALIGNMENT,
        after=after,
    )
