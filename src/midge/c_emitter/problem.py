"""A graph with its kernels chosen, as the memory planner sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from midge.c_emitter.choose import Choice
from midge.c_emitter.kernel import Kernel, Layer, layers_of
from midge.c_emitter.streaming import Group
from midge.c_emitter.streaming_layout import PlacedStream, placed_stream
from midge.graph import Graph
from midge.memory_plan import Alias, Buffer, Overlap, Problem, Step

ALIGNMENT = 4
"""Of every tensor: kernels load whole words. int64 tensors stand on 8 bytes."""
SCRATCH_ALIGNMENT = 8


FRAME_BYTES = 8
"""Of what a network that is fed row by row keeps between two rows beside its rows: `frame.h`."""


def planning_problem(
    graph: Graph, choice: Choice, *, keep_input: bool = False, groups: Sequence[Group] = ()
) -> Problem:
    """Everything that needs a place in the arena, and who may share one.

    Args:
        graph: A verified graph.
        choice: Its kernels.
        keep_input: The inputs must still be there after the run.
        groups: Operators that run row by row, in the graph's order: a step each, named after its
            last operator.
    """
    layers = layers_of(graph)
    fed = any(group.fed for group in groups)
    hidden = {name for group in groups for name in inside(graph, group)}
    kept = {n: t for n, t in graph.tensors.items() if t.is_computed and n not in hidden}
    starts = {group.first: group for group in groups}
    grouped = {i for group in groups for i in range(group.first, group.last + 1)}
    aliases = tuple(
        Alias(layer.input(0).name, layer.output.name)
        for layer, kernel in zip(layers, choice, strict=True)
        if kernel is None and not layer.input(0).is_constant
    )
    touched = _Touched()
    steps: list[Step] = []
    for layer, kernel in zip(layers, choice, strict=True):
        if layer.index in starts:
            steps.append(group_step(placed_stream(graph, starts[layer.index])))
        elif layer.index not in grouped:
            # What the last row sets going must not be expected before it.
            first = (steps[0].name,) if fed and steps else ()
            after = dict.fromkeys((*first, *touched.before(layer)))
            steps.append(_step(layer, kernel, tuple(after)))
    buffers = [
        Buffer(n, t.size_bytes, max(ALIGNMENT, t.dtype.size_bits // 8)) for n, t in kept.items()
    ]
    frame = (frame_name(graph),) if fed else ()
    inputs = (*(n for n in graph.inputs if n in kept), *frame)
    return Problem(
        buffers=(*buffers, *(Buffer(name, FRAME_BYTES) for name in frame)),
        steps=tuple(steps),
        inputs=inputs,
        outputs=tuple(
            dict.fromkeys(n for n in graph.outputs if n in kept and n not in graph.inputs)
        ),
        keep=tuple(n for n in inputs if keep_input or n in (*graph.outputs, *frame)),
        aliases=aliases,
    )


def inside(graph: Graph, group: Group) -> tuple[str, ...]:
    """The images that stand nowhere as a whole because a group hands on their rows."""
    ops = graph.ops[group.first : group.last + 1]
    fed = graph.inputs if group.fed else ()
    return (*fed, *(name for op in ops[:-1] for name in op.outputs))


def frame_name(graph: Graph) -> str:
    """The planner's name for what stays between rows; no tensor has it."""
    name = "frame"
    while name in graph.tensors:
        name += "_"
    return name


def running_order(
    groups: Sequence[Group], count: int, order: Sequence[int]
) -> tuple[tuple[int, ...], tuple[Group, ...]]:
    """A plan's order of steps as one of operators.

    Args:
        groups: As they were given to `planning_problem`.
        count: Number of the graph's operators.
        order: `Plan.order`.

    Returns:
        Positions of the operators in the order in which they run, and the groups as they stand in
        that order.
    """
    starts = {group.first: group for group in groups}
    spans: list[range] = []
    at = 0
    while at < count:
        end = starts[at].last + 1 if at in starts else at + 1
        spans.append(range(at, end))
        at = end
    ops: list[int] = []
    moved: list[Group] = []
    for step in order:
        group = starts.get(spans[step][0])
        if group is not None:
            length = group.last - group.first
            moved.append(replace(group, first=len(ops), last=len(ops) + length))
        ops += spans[step]
    return tuple(ops), tuple(moved)


def group_step(placed: PlacedStream) -> Step:
    """What a group is to the planner: one step, named after its last operator."""
    stream = placed.stream
    reads = tuple(t.name for t in stream.outside)
    return Step(
        name=stream.stages[-1].layer.op.name,
        reads=reads,
        writes=(stream.output.name,),
        scratch_bytes=placed.layout.size_bytes,
        overlaps=tuple(
            Overlap(name, stream.output.name, placed.schedule.distances[name]) for name in reads
        ),
        scratch_alignment=SCRATCH_ALIGNMENT,
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
