"""Layers that run row by row: their stages, the queues between them, where these stand.

A *group* is a run of operators of which no tensor inside ever stands in the arena as a whole. Each
row of the group's input is handed to the layers that read it; a layer that has all the rows which
its next output row needs makes that row, hands it on, and forgets the rows that no later one reads.
Nothing is computed twice: what is kept between rows are a few rows in front of each layer, its
*queue*. The arithmetic is that of the kernels of whole layers, on images of one row.

Row-wise ("line buffer") execution is old in hardware; in software Alwani et al., "Fused-layer CNN
accelerators", MICRO 2016, keep rows ("reuse") where Lin et al., "MCUNetV2", NeurIPS 2021,
arXiv:2110.15352, compute them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from midge.c_emitter.kernel import Kernel, Layer, layers_of
from midge.c_emitter.streaming_layers import (
    Reading,
    RowLayer,
    is_image,
    row_bytes,
    row_kernel,
    row_layer,
)
from midge.c_emitter.streaming_pool import ROW_POOLS, RowPool
from midge.graph import Graph, Tensor

WORD = 4
"""Kernels load whole words: a row is written where it is to stand if it begins on one."""


@dataclass(frozen=True)
class Group:
    """Operators that run row by row, and a kernel for a row of each.

    Attributes:
        first: Position of the first in the graph's order.
        last: Of the last, included.
        kernels: One an operator, for its row.
        fed: The application hands in the rows of the network's input, which stands nowhere.
    """

    first: int
    last: int
    kernels: tuple[Kernel, ...]
    fed: bool = False


@dataclass(frozen=True)
class Queue:
    """Rows on their way to one operand of one stage.

    Attributes:
        tensor: The image that they are rows of.
        stage: Index of the reading stage.
        reading: How it reads them.
        resident: The image stands in the arena and its rows are read there, not queued.
    """

    tensor: Tensor
    stage: int
    reading: Reading
    resident: bool

    @property
    def row_bytes(self) -> int:
        """Of one row."""
        return row_bytes(self.tensor)


@dataclass(frozen=True)
class Stage:
    """One operator of a group.

    Attributes:
        layer: It, whole.
        row: It, for one row.
        kernel: What computes a row.
        queues: Indices of its queues, one an operand that is computed.
    """

    layer: Layer
    row: RowLayer
    kernel: Kernel
    queues: tuple[int, ...]

    @property
    def called(self) -> Layer:
        """What the kernel is asked to compute: a pool that keeps sums knows the whole layer."""
        return self.layer if isinstance(self.kernel, RowPool) else self.row.layer

    @property
    def period(self) -> int:
        """How many rows it takes in for each one that it hands on, where it keeps none of them."""
        return self.row.readings[0].reach if isinstance(self.kernel, RowPool) else 1

    @property
    def held_bytes(self) -> int:
        """What it keeps from row to row."""
        return self.kernel.held_bytes(self.layer) if isinstance(self.kernel, RowPool) else 0

    @property
    def scratch_bytes(self) -> int:
        """Of its kernel, for a row."""
        return 0 if isinstance(self.kernel, RowPool) else self.kernel.scratch_bytes(self.called)


@dataclass(frozen=True)
class Stream:
    """A group with its stages.

    Attributes:
        group: The group.
        source: The image whose rows are handed in.
        output: The image that it makes, which stands in the arena.
        stages: In running order; the last makes `output`.
        queues: Of all stages.
    """

    group: Group
    source: Tensor
    output: Tensor
    stages: tuple[Stage, ...]
    queues: tuple[Queue, ...]

    @cached_property
    def outside(self) -> tuple[Tensor, ...]:
        """Images in the arena that are read, each once."""
        read = [] if self.group.fed else [self.source]
        read += [q.tensor for q in self.queues if q.resident]
        return tuple({t.name: t for t in read}.values())

    def readers(self, name: str) -> tuple[int, ...]:
        """The queues that an image's rows go to."""
        return tuple(
            i for i, q in enumerate(self.queues) if q.tensor.name == name and not q.resident
        )


@dataclass(frozen=True)
class RowTable:
    """What can run row by row in a graph: worked out once, where many groups are looked at.

    Attributes:
        layers: Of the graph.
        rows: Each layer as one of rows, None where it is none.
        kernels: A kernel for a row of each, None where there is none.
    """

    layers: tuple[Layer, ...]
    rows: tuple[RowLayer | None, ...]
    kernels: tuple[Kernel | None, ...]

    def group(self, span: tuple[int, int], *, fed: bool = False) -> Group | None:
        """The operators of a span, both ends included, as a group; None if some have no rows."""
        first, last = span
        kernels = [k for k in self.kernels[first : last + 1] if k is not None]
        return Group(first, last, tuple(kernels), fed) if len(kernels) == last - first + 1 else None


def row_table(graph: Graph, choice: Sequence[Kernel | None], features: frozenset[str]) -> RowTable:
    """Look at every layer of a graph.

    Args:
        graph: A verified graph.
        choice: Its kernels, which are kept where they apply to a row.
        features: Of the core.
    """
    layers = layers_of(graph)
    rows = tuple(row_layer(layer) for layer in layers)
    kernels = tuple(
        None if row is None or wanted is None else _kernel(layer, row, wanted, features)
        for layer, row, wanted in zip(layers, rows, choice, strict=True)
    )
    return RowTable(layers, rows, kernels)


def _kernel(layer: Layer, row: RowLayer, wanted: Kernel, features: frozenset[str]) -> Kernel | None:
    pool = ROW_POOLS.get(layer.op.kind)
    if pool is not None and pool.applies(layer):
        return pool
    return row_kernel(row.layer, wanted, features)


def stream_of(graph: Graph, group: Group, table: RowTable | None = None) -> Stream | None:
    """The stages and queues of a group; None where the operators do not make one.

    They do where all rows come from one image, every image inside is read inside alone, and only
    the last one's output is seen outside.

    Args:
        graph: A verified graph.
        group: Kernels for rows of its operators.
        table: Of the graph, where it is at hand.
    """
    span = slice(group.first, group.last + 1)
    layers = (layers_of(graph) if table is None else table.layers)[span]
    rows = [row_layer(x) for x in layers] if table is None else table.rows[span]
    source = layers[0].inputs[0]
    if source is None or not source.is_computed or not is_image(source):
        return None
    if group.fed and (group.first or graph.inputs != (source.name,)):
        return None
    inner = {layer.output.name: layer.output for layer in layers[:-1] if len(layer.outputs) == 1}
    if not _is_closed(graph, group, source, inner):
        return None
    queues: list[Queue] = []
    stages: list[Stage] = []
    for number, (layer, row, kernel) in enumerate(zip(layers, rows, group.kernels, strict=True)):
        if row is None:
            return None
        readings = (Reading(0),) if isinstance(kernel, RowPool) else row.readings
        waits = any(layer.input(r.operand).name in inner for r in readings)
        indices = []
        for reading in readings:
            tensor = layer.input(reading.operand)
            outside = tensor.name not in inner
            stands = outside and waits and _is_read_in_place(tensor, reading) and not group.fed
            if outside and not stands and tensor.name != source.name:
                return None
            indices.append(len(queues))
            queues.append(Queue(tensor, number, reading, stands))
        stages.append(Stage(layer, row, kernel, tuple(indices)))
    stream = Stream(group, source, layers[-1].output, tuple(stages), tuple(queues))
    unread = any(not stream.readers(name) for name in (source.name, *inner))
    return None if unread else stream


def _is_closed(graph: Graph, group: Group, source: Tensor, inner: dict[str, Tensor]) -> bool:
    """Nobody else reads what is inside, nor the rows that the application hands in."""
    hidden = {*inner, source.name} if group.fed else set(inner)
    readers = [op for i, op in enumerate(graph.ops) if not group.first <= i <= group.last]
    if any(name in hidden for op in readers for name in op.inputs):
        return False
    return hidden.isdisjoint(graph.outputs) and len(inner) == group.last - group.first


def _is_read_in_place(tensor: Tensor, reading: Reading) -> bool:
    """A row of an image in the arena begins on a word, and padding is not asked for."""
    return not reading.is_padded and row_bytes(tensor) % WORD == 0
