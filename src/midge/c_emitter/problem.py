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
    touched = _Touched()
    steps = tuple(
        _step(layer, kernel, touched.before(layer))
        for layer, kernel in zip(layers, choice, strict=True)
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


class _Touched:
    """Who touched each variable so far: its last rewriting, and the reads since then."""

    def __init__(self) -> None:
        self._rewritten: dict[str, str] = {}
        self._read: dict[str, list[str]] = {}

    def before(self, layer: Layer) -> tuple[str, ...]:
        """The steps that must run before a layer, which is noted.

        Reads come after the last rewriting, rewritings after the reads since the last one.
        """
        found: list[str] = []
        rewritten = {layer.input(i).name for i in layer.op.attributes.updates()}
        for name in dict.fromkeys(t.name for t in layer.inputs if t is not None and t.variable):
            found += [self._rewritten[name]] if name in self._rewritten else []
            if name in rewritten:
                found += self._read.pop(name, [])
                self._rewritten[name] = layer.op.name
            else:
                self._read.setdefault(name, []).append(layer.op.name)
        return tuple(dict.fromkeys(found))


def _step(layer: Layer, kernel: Kernel | None, after: tuple[str, ...]) -> Step:
    operands = [(i, t) for i, t in enumerate(layer.inputs) if t is not None and t.is_computed]
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
