"""Anything that moves elements, in any order, on tensors of any rank: no bit changes."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from midge.graph import Attributes, DType, Tensor, format_graph, verify
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.batch_matmul import BatchMatmul
from midge.graph.ops.broadcast_to import BroadcastTo, Tile
from midge.graph.ops.comparison import Greater
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.cumsum import Cumsum
from midge.graph.ops.extremum import Maximum
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.log_softmax import LogSoftmax
from midge.graph.ops.logistic_tanh import Tanh
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.pad import Mirror, MirrorPad, Pad
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.reductions import Mean, ReduceMax, Sum
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.select import Select
from midge.graph.ops.slice import Slice
from midge.graph.ops.softmax import Softmax
from midge.graph.ops.split import Split
from midge.graph.ops.transpose import Transpose
from midge.importers.graph_builder import GraphBuilder
from midge.passes.sink_transposes import cancel_transposes, sink_transposes
from support.channels_first import ChannelsFirst, assert_same

Step = Callable[["_Random", Tensor], Tensor]


class _Random:
    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.net = ChannelsFirst(0)
        self.builder: GraphBuilder = self.net.builder
        self.pool: list[Tensor] = []

    def index(self, size: int, low: int = 0) -> int:
        return self.data.draw(st.integers(low, size - 1))

    def one(self, attributes: Attributes, *operands: Tensor) -> Tensor:
        return self.builder.one(attributes.kind, attributes, operands)

    def like(self, shape: tuple[int, ...]) -> Tensor:
        """A tensor or a constant of this shape."""
        found = [t for t in self.pool if t.shape == shape]
        if found and self.data.draw(st.booleans()):
            return found[self.index(len(found))]
        return self.net.constant(*shape)


def _transpose(r: _Random, x: Tensor) -> Tensor:
    return r.one(Transpose(permutation=tuple(r.data.draw(st.permutations(range(len(x.shape)))))), x)


def _reshape(r: _Random, x: Tensor) -> Tensor:
    shape = list(x.shape)
    for _ in range(r.index(3) + 1):
        choice = r.index(4)
        at = r.index(len(shape) + 1)
        if choice == 0 and len(shape) < 5:
            shape.insert(at, 1)
        elif choice == 1 and len(shape) > 1 and at + 1 < len(shape):
            shape[at : at + 2] = [shape[at] * shape[at + 1]]
        elif choice == 2 and at < len(shape) and shape[at] % 2 == 0 and len(shape) < 5:
            shape[at : at + 1] = [2, shape[at] // 2]
        elif choice == 3 and 1 in shape and len(shape) > 1:
            shape.remove(1)
    return r.one(Reshape(shape=tuple(shape)), x)


def _binary(r: _Random, x: Tensor) -> Tensor:
    shape = tuple(n if r.data.draw(st.booleans()) else 1 for n in x.shape)[r.index(len(x.shape)) :]
    attributes = (Add(), Sub(), Maximum(), Prelu())[r.index(4)]
    other = r.like(shape)
    if isinstance(attributes, Prelu) or r.data.draw(st.booleans()):
        return r.one(attributes, x, other)
    return r.one(attributes, other, x)


def _select(r: _Random, x: Tensor) -> Tensor:
    return r.one(Select(), r.one(Greater(), x, r.net.constant()), x, r.like(x.shape))


def _concatenation(r: _Random, x: Tensor) -> Tensor:
    axis = r.index(len(x.shape))
    if x.size > 200:
        return x
    shape = tuple(n if d != axis else r.index(4, 1) for d, n in enumerate(x.shape))
    return r.one(Concatenation(axis=axis), *[x, r.like(shape)][:: 1 - 2 * r.index(2)])


def _pad(r: _Random, x: Tensor) -> Tensor:
    if x.size > 200:
        return x
    before, after = (tuple(r.index(2) for _ in x.shape) for _ in range(2))
    if r.index(2) and all(n > 1 for n in x.shape):
        return r.one(MirrorPad(before=before, after=after, mirror=Mirror.REFLECT), x)
    border = [r.net.constant(1)] if r.index(2) else []
    return r.one(Pad(before=before, after=after), x, *border)


def _slice(r: _Random, x: Tensor) -> Tensor:
    begin = tuple(r.index(n) for n in x.shape)
    size = tuple(1 + r.index(n - b) for n, b in zip(x.shape, begin, strict=True))
    shape = tuple(n for n in size if n > 1 or r.index(2)) or (1,)
    return r.one(Slice(begin=begin, size=size, step=(1,) * len(size), shape=shape), x)


def _split(r: _Random, x: Tensor) -> Tensor:
    axis = r.index(len(x.shape))
    if x.shape[axis] < 2:
        return x
    sizes = (1, x.shape[axis] - 1)
    pieces = r.builder.op("split", Split(axis=axis, sizes=sizes), (x,))
    return pieces[r.index(2)]


def _reduction(r: _Random, x: Tensor) -> Tensor:
    axes = tuple(sorted(r.data.draw(st.sets(st.integers(0, len(x.shape) - 1), min_size=1))))
    keep = len(axes) == len(x.shape) or bool(r.index(2))
    return r.one((Mean, Sum, ReduceMax)[r.index(3)](axes=axes, keep_dims=keep), x)


def _repeat(r: _Random, x: Tensor) -> Tensor:
    if x.size > 100:
        return x
    if r.index(2):
        return r.one(Tile(multiples=tuple(1 + r.index(2) for _ in x.shape)), x)
    wider = tuple(n if n > 1 else 1 + r.index(2) for n in x.shape)
    return r.one(BroadcastTo(shape=(*[2][: int(len(wider) < 4)], *wider)), x)


def _row(r: _Random, x: Tensor) -> Tensor:
    attributes = (Softmax(), LogSoftmax(), Cumsum(axis=r.index(len(x.shape))))[r.index(3)]
    return r.one(attributes, x)


def _matrix(r: _Random, x: Tensor) -> Tensor:
    if len(x.shape) < 2 or x.size > 200 or r.index(2):
        w = r.net.constant(3, x.shape[-1])
        return r.one(FullyConnected(keep_dims=True), x, w)
    other = r.like((*x.shape[:-2], x.shape[-1], 1 + r.index(3)))
    return r.one(BatchMatmul(), x, other)


def _image(r: _Random, x: Tensor) -> Tensor:
    return r.one(MaxPool2D(kernel=(1, 1)), x) if len(x.shape) == 4 else r.one(Tanh(), x)


STEPS: tuple[Step, ...] = (
    *(_transpose, _transpose, _reshape, _binary, _select, _concatenation, _pad, _slice, _split),
    *(_reduction, _repeat, _row, _matrix, _image, _image),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_moves_elements_keeps_every_bit(data: st.DataObject) -> None:
    r = _Random(data)
    extents = st.sampled_from([1, 2, 3, 4, 6])
    r.pool = [
        r.net.input(*data.draw(st.lists(extents, min_size=1, max_size=4)))
        for _ in range(data.draw(st.integers(1, 2)))
    ]
    for _ in range(data.draw(st.integers(1, 8))):
        x = r.pool[data.draw(st.integers(0, len(r.pool) - 1))]
        if x.shape and x.dtype is DType.FLOAT32:
            r.pool.append(STEPS[data.draw(st.integers(0, len(STEPS) - 1))](r, x))
    ends = dict.fromkeys([r.pool[-1].name, *(t.name for t in r.pool if data.draw(st.booleans()))])
    before = r.net.graph(*(r.builder.tensors[n] for n in ends))
    note(format_graph(before, full=False))
    for rewrite in (sink_transposes, cancel_transposes):
        after = verify(rewrite(before))
        note(format_graph(after, full=False))
        assert_same(before, after, count=1)
        assert rewrite(after) is after
        weight = [
            sum(g.op_outputs(op)[0].size for op in g.ops if op.kind == "transpose")
            for g in (before, after)
        ]
        assert weight[1] <= weight[0]
