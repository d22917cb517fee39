"""sink_transposes: operators run in layouts that leave as few transposes as can be."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import replace

from midge.graph import Attributes, Graph, Op, Tensor
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.transpose import Transpose
from midge.passes.assign_layouts import Assignment
from midge.passes.layout import (
    Layout,
    extents,
    fitted,
    inverse,
    natural,
    order,
    permutation,
    renamed,
    stored,
)
from midge.passes.names import free_name


def sink_transposes(graph: Graph) -> Graph:
    """Move transposes through everything that takes any layout, until they cancel or must stay.

    Inputs and outputs of the graph may come to stand in another order; `Graph.layouts` says which.
    Every value is computed by the same operations in the same order, so no bit changes.

    Requires a verified graph; ensures that a transpose stands only where an operator needs an order
    that its input cannot have.
    """
    return _cheaper(graph, _Rewriter(graph, fixed_ends=False).rewritten())


def cancel_transposes(graph: Graph) -> Graph:
    """As `sink_transposes`, with inputs and outputs as they are.

    Requires a verified graph; ensures what `sink_transposes` does of graphs with two transposes or
    more. One alone has nothing to cancel with.
    """
    if sum(isinstance(op.attributes, Transpose) for op in graph.ops) < 2:
        return graph
    return _cheaper(graph, _Rewriter(graph, fixed_ends=True).rewritten())


def _cheaper(graph: Graph, rewritten: Graph) -> Graph:
    """The rewritten graph where it moves less; names alone are no reason for another one."""
    return rewritten if _moved(rewritten) < _moved(graph) else graph


def _moved(graph: Graph) -> tuple[int, int]:
    """Elements that are transposed, then the number of operators that move none."""
    turned = [op for op in graph.ops if isinstance(op.attributes, Transpose)]
    shaped = [op for op in graph.ops if isinstance(op.attributes, Reshape)]
    return sum(graph.op_outputs(op)[0].size for op in turned), len(turned) + len(shaped)


class _Rewriter:
    """A graph in the making, with every tensor in its assigned layout."""

    def __init__(self, graph: Graph, *, fixed_ends: bool) -> None:
        self.graph = graph
        self.fixed_ends = fixed_ends
        self.assignment = Assignment(graph, fixed_ends=fixed_ends)
        self.tensors: dict[str, Tensor] = {}
        self._taken = ChainMap(self.tensors, dict(graph.tensors))
        self.ops: list[Op] = []
        self.layouts: dict[str, tuple[int, ...]] = {}
        self._stands: dict[str, Layout] = {}
        self._adapted: dict[tuple[str, Layout], str] = {}
        self._op_names = {op.name for op in graph.ops}
        self._renamed: dict[str, str] = {}

    def rewritten(self) -> Graph:
        """The graph; the very one that came in where nothing changes."""
        for name in self.graph.inputs:
            self._input(name)
        for op in self.graph.ops:
            if not self.assignment.is_left_out(op):
                self._op(op)
        for name in dict.fromkeys(self.graph.outputs):
            self._output(name)
        ops = [
            replace(op, inputs=self._final(op.inputs), outputs=self._final(op.outputs))
            for op in self.ops
        ]
        tensors = {
            self._renamed.get(n, n): replace(t, name=self._renamed.get(n, n))
            for n, t in self.tensors.items()
        }
        made = replace(self.graph, layouts=self.layouts).with_ops(ops, tensors)
        if (made.ops, made.layouts) == (self.graph.ops, self.graph.layouts):
            return self.graph
        return made

    def _final(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self._renamed.get(n, n) for n in names)

    def _input(self, name: str) -> None:
        tensor = self.graph.tensors[name]
        placement = self.assignment.nodes[name].placement()
        layout = natural(tensor.shape) if placement is None else placement.outputs[0]
        self._stand(tensor, layout)
        self._record(name, layout)

    def _record(self, name: str, layout: Layout) -> None:
        """Say how an input or output stands to the source model's."""
        shape = self.graph.tensors[name].shape
        moved = permutation(layout, shape)
        if layout == natural(shape):
            moved = tuple(range(len(shape)))
        before = self.graph.layouts.get(name, tuple(range(len(shape))))
        whole = tuple(before[d] for d in moved)
        if whole != tuple(range(len(shape))):
            self.layouts[name] = whole

    def _stand(self, tensor: Tensor, layout: Layout) -> None:
        self._stands[tensor.name] = layout
        self.tensors[tensor.name] = replace(tensor, shape=extents(layout, tensor.shape))

    def _op(self, op: Op) -> None:
        if op.outputs:
            node = self.assignment.nodes[op.outputs[0]]
            placement = node.placement()
        else:
            node, placement = None, None
        if node is None or placement is None:
            inputs = [
                self._read(n, natural(self.graph.tensors[n].shape)) if n else "" for n in op.inputs
            ]
            self.ops.append(replace(op, inputs=tuple(inputs)))
            return
        placement = node.rule.with_inputs(node.site, placement, self.assignment.found(node))
        inputs = [
            self._read(name, needed) if name else ""
            for name, needed in zip(op.inputs, placement.inputs, strict=True)
        ]
        for tensor, layout in zip(node.site.outputs, placement.outputs, strict=True):
            self._stand(tensor, layout)
        self.ops.append(replace(op, attributes=placement.attributes, inputs=tuple(inputs)))

    def _read(self, name: str, needed: Layout) -> str:
        """The name of a tensor that holds this one in the layout that its reader needs."""
        view = self.assignment.views[name]
        root = self.graph.tensors[view.root]
        if root.variable:
            self.tensors[root.name] = root
            return root.name
        wanted = renamed(needed, view.dimensions)
        if wanted is None:
            raise ValueError(f"{name}: layout {needed} names dimensions that it lacks")
        return self._in_layout(view.root, wanted)

    def _in_layout(self, name: str, wanted: Layout) -> str:
        if (name, wanted) not in self._adapted:
            self._adapted[name, wanted] = self._adapt(name, wanted)
        return self._adapted[name, wanted]

    def _adapt(self, name: str, wanted: Layout) -> str:
        tensor = self.graph.tensors[name]
        if tensor.is_constant:
            made = stored(tensor, wanted, free_name(name, self._taken))
            self.tensors[made.name] = made
            return made.name
        if name not in self._stands:
            return self._of_stored(tensor, wanted)
        found = self._stands[name]
        if found == wanted:
            return name
        if order(found) != order(wanted):
            turned = _in_order(found, wanted)
            places = _places(found, turned)
            name = self._emit(name, Transpose(permutation=places), extents(turned, tensor.shape))
            found = turned
        if found == wanted:
            return name
        shape = extents(wanted, tensor.shape)
        return self._emit(name, Reshape(shape=shape), shape)

    def _of_stored(self, tensor: Tensor, wanted: Layout) -> str:
        """What is quantised or dequantised of a constant, from the constant in that layout."""
        producer = self.assignment.producers[tensor.name]
        source = self._in_layout(producer.inputs[0], wanted)
        shape = extents(wanted, tensor.shape)
        name, own = tensor.name, producer.name
        if name in self.tensors:
            name = free_name(name, self._taken)
            own = free_name(own, self._op_names)
            self._op_names.add(own)
        self.tensors[name] = replace(tensor, name=name, shape=shape)
        self.ops.append(Op(own, producer.attributes, (source,), (name,)))
        return name

    def _emit(self, name: str, attributes: Attributes, shape: tuple[int, ...]) -> str:
        """Append an operator that moves a tensor's elements, or only says their shape."""
        made = free_name(f"{name}.{attributes.kind}", self._taken)
        own = free_name(made, self._op_names)
        self._op_names.add(own)
        self.tensors[made] = replace(self.tensors[name], name=made, shape=shape)
        self.ops.append(Op(own, attributes, (name,), (made,)))
        return made

    def _output(self, name: str) -> None:
        """Make an output hold what it held, in whatever order that stands."""
        tensor = self.graph.tensors[name]
        view = self.assignment.views[name]
        if tensor.is_constant or name in self.graph.inputs:
            self.tensors.setdefault(name, tensor)
            return
        stands = self._stands.get(view.root)
        if stands is None or self.fixed_ends:
            # A constant, or something made of one; or the caller's order is not to change.
            layout = natural(tensor.shape)
        else:
            seen = renamed(stands, inverse(view.dimensions))
            layout = natural(tensor.shape) if seen is None else fitted(seen, tensor.shape)
            if seen is not None and len(seen) == len(tensor.shape):
                layout = seen
        self._name_output(name, self._read(name, layout))
        self._record(name, layout)

    def _name_output(self, name: str, holder: str) -> None:
        """Give the tensor that holds an output the output's name."""
        if holder == name:
            return
        source = self.tensors[holder]
        ends = {*self.graph.inputs, *self.graph.outputs}
        if holder in ends or holder in self._renamed or source.is_constant:
            holder = self._emit(holder, Reshape(shape=source.shape), source.shape)
        if name in self.tensors:
            # The output's own operator writes it in another layout, for others to read.
            self._renamed[name] = free_name(f"{name}.stored", self._taken)
        self._renamed[holder] = name


def _in_order(found: Layout, wanted: Layout) -> Layout:
    """The wanted order of dimensions, with the extents of 1 that are there."""
    if len(found) == len(wanted):
        return wanted
    named = order(wanted)
    return (*[None] * (len(found) - len(named)), *named)


def _places(found: Layout, turned: Layout) -> tuple[int, ...]:
    """The permutation that leads from one layout to another with as many extents of 1."""
    units = iter([place for place, d in enumerate(found) if d is None])
    return tuple(next(units) if d is None else found.index(d) for d in turned)
