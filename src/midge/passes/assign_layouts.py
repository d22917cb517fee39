"""Which layout each operator runs in, so that as few elements as possible are transposed.

Operators on images, rows and matrices are settled: they run as the graph says them. What stands
between them takes any layout, and connected operators best take the same one. So each connected
part is labelled once from every place where a settled operator touches it, each time as if that
operator's layout were the whole part's; the cheapest labelling is kept, and then improved one
operator at a time, for as long as it gets cheaper. Nothing here decides what is computed: wherever
two layouts do not agree, `sink_transposes` puts a transpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from midge.graph import Graph, Op
from midge.graph.ops.conversions import Dequantize, Quantize
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.transpose import Transpose
from midge.passes.layout import (
    Dimensions,
    Layout,
    fitted,
    inverse,
    natural,
    order,
    renamed,
    same_but_units,
)
from midge.passes.layout_rules import Placement, Rule, Settled, Site, rule_of
from midge.passes.permute_features import Readers, absorbs_order

Cost = tuple[int, int]
"""Elements that are transposed, then tensors that are reshaped."""
MOST_LABELLINGS = 16
"""Of one part that are tried, and rounds of improvement: what networks need is two or three."""
LONGEST_CHAIN = 4
"""Of quantisations and dequantisations of a constant that go with it into any layout."""


@dataclass(frozen=True)
class View:
    """A tensor that holds another's elements in another order or under another shape.

    Attributes:
        root: The tensor that is computed, fed or stored.
        dimensions: The root's dimensions by this tensor's, extents of 1 left out.
    """

    root: str
    dimensions: Dimensions


@dataclass(eq=False)
class Node:
    """An operator, or an input of the graph.

    Attributes:
        site: With its tensors.
        rule: How it takes layouts.
        layout: The one it runs in.
        inputs: For each input that another node computes: its index, that node, and the index of
            the output.
        readers: For each reader of an output: the output's index, the reader, and the index of its
            input.
        views: Its inputs as views; None where one is left out.
        absorbs_order: It is a reshape to features whose order `permute_features` can change, so
            that a transpose in front of it costs nothing.
        placements: What its rule has said so far.
    """

    site: Site
    rule: Rule
    layout: Layout
    inputs: list[tuple[int, Node, int]] = field(default_factory=list)
    readers: list[tuple[int, Node, int]] = field(default_factory=list)
    views: tuple[View | None, ...] = ()
    absorbs_order: bool = False

    placements: dict[Layout, Placement | None] = field(default_factory=dict)

    def placement(self, layout: Layout | None = None) -> Placement | None:
        """In its own layout or another one."""
        wanted = self.layout if layout is None else layout
        if wanted not in self.placements:
            self.placements[wanted] = self.rule.placed(self.site, wanted)
        return self.placements[wanted]


class _Input(Rule):
    """The caller's array: any order, as many dimensions as the graph says."""

    def from_output(self, site: Site, index: int, layout: Layout) -> Layout | None:  # noqa: ARG002
        shape = site.outputs[0].shape
        return layout if len(layout) == len(shape) else fitted(layout, shape)

    def place(self, site: Site, layout: Layout) -> Placement | None:
        if len(layout) != len(site.outputs[0].shape):
            return None
        return Placement(site.attributes, (), (layout,))


class _FixedInput(_Input):
    settled = True


def is_movement(graph: Graph, op: Op) -> bool:
    """True for an operator that a layout stands for: its output is a view of its input."""
    if not isinstance(op.attributes, Transpose | Reshape):
        return False
    x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if x.variable or x.quantization != y.quantization:
        return False
    return isinstance(op.attributes, Transpose) or same_but_units(x.shape, y.shape) is not None


def views_of(graph: Graph) -> dict[str, View]:
    """Every tensor as a view of what holds its elements; most are views of themselves."""
    views = {
        name: View(name, {d: d for d, extent in enumerate(tensor.shape) if extent > 1})
        for name, tensor in graph.tensors.items()
    }
    for op in graph.ops:
        if not is_movement(graph, op):
            continue
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        if isinstance(op.attributes, Transpose):
            moved = dict(enumerate(op.attributes.permutation))
            own = {d: moved[d] for d, extent in enumerate(y.shape) if extent > 1}
        else:
            own = inverse(same_but_units(x.shape, y.shape) or {})
        base = views[x.name]
        views[y.name] = View(base.root, {d: base.dimensions[s] for d, s in own.items()})
    return views


def is_stored(graph: Graph, producers: dict[str, Op], name: str) -> bool:
    """True for constants, and for what is quantised or dequantised of one: any layout is free."""
    for _ in range(LONGEST_CHAIN + 1):
        if graph.tensors[name].is_constant:
            return True
        producer = producers.get(name)
        if producer is None or not isinstance(producer.attributes, Quantize | Dequantize):
            return False
        name = producer.inputs[0]
    return False


class Assignment:
    """The layouts of a graph's operators and inputs.

    Attributes:
        views: Every tensor as a view of its root.
        nodes: By the name of each tensor that an operator or the caller writes, stored ones and
            views left out.
        producers: Operators by each of their outputs.
    """

    def __init__(self, graph: Graph, *, fixed_ends: bool) -> None:
        """Choose them.

        Args:
            graph: A verified graph.
            fixed_ends: Inputs keep their layout, and outputs are read in theirs.
        """
        self.graph = graph
        self.views = views_of(graph)
        self._readers = Readers(graph)
        self.producers = {name: op for op in graph.ops for name in op.outputs}
        self.nodes: dict[str, Node] = {}
        self._order: list[Node] = []
        placeholder = Reshape(shape=())
        for name in graph.inputs:
            tensor = graph.tensors[name]
            rule: Rule = _FixedInput() if fixed_ends else _Input()
            site = Site(placeholder, (), (tensor,))
            self._append(Node(site, rule, natural(tensor.shape)), ())
        for op in graph.ops:
            site = Site(op.attributes, graph.op_inputs(op), graph.op_outputs(op))
            if not self.is_left_out(op):
                rule = rule_of(site)
                self._append(
                    Node(site, rule, natural(rule.shape(site)) if site.outputs else ()), op.inputs
                )
        if fixed_ends:
            for name in graph.outputs:
                tensor = graph.tensors[name]
                site = Site(placeholder, (tensor,), ())
                self._append(Node(site, Settled(), natural(tensor.shape)), (name,))
        self._settle()

    def is_left_out(self, op: Op) -> bool:
        """True for views, and for what is made of constants wherever it is needed."""
        return any(
            self.views[name].root != name or is_stored(self.graph, self.producers, name)
            for name in op.outputs
        )

    def _append(self, node: Node, inputs: Sequence[str]) -> None:
        node.views = tuple(self.views[name] if name else None for name in inputs)
        for index, view in enumerate(node.views):
            producer = None if view is None else self.nodes.get(view.root)
            if view is None or producer is None:
                continue
            names = [t.name for t in producer.site.outputs]
            number = names.index(view.root)
            node.inputs.append((index, producer, number))
            producer.readers.append((number, node, index))
        attributes, outputs = node.site.attributes, node.site.outputs
        if inputs and outputs and isinstance(attributes, Reshape):
            node.absorbs_order = absorbs_order(self._readers, outputs[0].name)
        self._order.append(node)
        self.nodes |= {t.name: node for t in outputs}

    def found(self, node: Node) -> list[Layout | None]:
        """The layouts in which the inputs of a node come, in its own numbers of dimensions."""
        result: list[Layout | None] = [None] * len(node.site.inputs)
        for index, producer, number in node.inputs:
            result[index] = self._seen(node, index, producer, number)
        return result

    def _seen(self, node: Node, index: int, producer: Node, number: int) -> Layout | None:
        placement, view = producer.placement(), node.views[index]
        if placement is None or view is None:
            return None
        return renamed(placement.outputs[number], inverse(view.dimensions))

    def _settle(self) -> None:
        done: set[int] = set()
        for start in self._order:
            if start.rule.settled or id(start) in done:
                continue
            part = self._part(start)
            done.update(id(node) for node in part)
            self._label(part)
            self._improve(part)

    def _part(self, start: Node) -> list[Node]:
        """The operators connected with one, those that are settled left out, in graph order."""
        found, left = {id(start)}, [start]
        while left:
            node = left.pop()
            for _, other, _ in (*node.inputs, *node.readers):
                if not other.rule.settled and id(other) not in found:
                    found.add(id(other))
                    left.append(other)
        return [node for node in self._order if id(node) in found]

    def _label(self, part: list[Node]) -> None:
        """The cheapest of the labellings that begin where a settled operator touches the part."""
        members = {id(node) for node in part}
        tried: set[tuple[int, Layout]] = set()
        said = [node.layout for node in part]
        # What layers give comes first, so that of equal costs transposes sink towards readers.
        seeds = [
            (node, layout)
            for giving in (True, False)
            for node in part
            for layout in self._neighbours(node, giving=giving, settled=True)
        ]
        seeds.append((part[0], part[0].layout))
        best, cost, count = said, (-1, -1), 0
        for first in seeds:
            if (id(first[0]), first[1]) in tried or count == MOST_LABELLINGS:
                continue
            count += 1
            for member, natural_one in zip(part, said, strict=True):
                member.layout = natural_one
            # What does not follow from the first one follows from others.
            left = set(members)
            for node, layout in (first, *seeds):
                if id(node) in left:
                    self._spread(node, layout, left)
            tried.update((id(member), member.layout) for member in part)
            found = self._cost_of(part)
            if cost[0] < 0 or found < cost:
                best, cost = [member.layout for member in part], found
        for node, layout in zip(part, best, strict=True):
            node.layout = layout

    def _spread(self, start: Node, layout: Layout, left: set[int]) -> None:
        """Give an operator this layout, and those that are left what follows from it."""
        start.layout = layout
        left.discard(id(start))
        reached = [start]
        for node in reached:
            for _, other, _ in (*node.inputs, *node.readers):
                if id(other) not in left:
                    continue
                follows = self._implied(other, node)
                if follows is not None:
                    other.layout = follows
                    left.discard(id(other))
                    reached.append(other)

    def _implied(self, node: Node, by: Node) -> Layout | None:
        """The layout that a neighbour's gives an operator; None where it cannot run in it."""
        for layout in self._candidates(node, by):
            if node.placement(layout) is not None:
                return layout
        return None

    def _candidates(self, node: Node, by: Node, *, giving: bool | None = None) -> list[Layout]:
        candidates: list[Layout | None] = []
        if giving is not False:
            candidates += [
                node.rule.from_input(node.site, index, seen)
                for index, producer, number in node.inputs
                if producer is by
                and (seen := self._seen(node, index, producer, number)) is not None
            ]
        if giving is not True:
            for number, reader, index in node.readers:
                placement, view = reader.placement(), reader.views[index]
                if reader is not by or placement is None or view is None:
                    continue
                needed = renamed(placement.inputs[index], view.dimensions)
                # A reader that broadcasts its input needs dimensions that say nothing here.
                if needed is not None:
                    candidates.append(node.rule.from_output(node.site, number, needed))
        return [layout for layout in candidates if layout is not None]

    def _neighbours(self, node: Node, *, giving: bool, settled: bool) -> list[Layout]:
        """Layouts that neighbours, settled ones alone or all, suggest and the operator can take."""
        edges = node.inputs if giving else node.readers
        layouts: list[Layout] = []
        for _, other, _ in edges:
            if other.rule.settled or not settled:
                layouts += self._candidates(node, other, giving=giving)
        return [layout for layout in dict.fromkeys(layouts) if node.placement(layout) is not None]

    def _improve(self, part: list[Node]) -> None:
        """Change one operator at a time where that costs less, for as long as it does."""
        for _ in range(MOST_LABELLINGS):
            changed = False
            for node in part:
                choices = [
                    layout
                    for giving in (True, False)
                    for layout in self._neighbours(node, giving=giving, settled=False)
                ]
                own, cost = node.layout, self._cost_around(node)
                best = own
                for layout in (*choices, natural(node.rule.shape(node.site))):
                    node.layout = layout
                    if (found := self._cost_around(node)) < cost:
                        best, cost = layout, found
                node.layout = best
                changed = changed or best != own
            if not changed:
                return

    def _cost_of(self, part: list[Node]) -> Cost:
        members = {id(node) for node in part}
        costs = [self._input_cost(node) for node in part]
        for node in part:
            costs += [
                self._edge_cost(reader, index, node, number)
                for number, reader, index in node.readers
                if id(reader) not in members
            ]
        return _total(costs)

    def _cost_around(self, node: Node) -> Cost:
        outward = [
            self._edge_cost(reader, index, node, number) for number, reader, index in node.readers
        ]
        return _total([self._input_cost(node), *outward])

    def _input_cost(self, node: Node) -> Cost:
        return _total([self._edge_cost(node, *edge) for edge in node.inputs])

    def _edge_cost(self, node: Node, index: int, producer: Node, number: int) -> Cost:
        """What it costs to bring one input to where the operator needs it."""
        placement, seen = node.placement(), self._seen(node, index, producer, number)
        if placement is None or seen is None:
            return (0, 0)
        found: list[Layout | None] = [None] * len(node.site.inputs)
        found[index] = seen
        needed = node.rule.with_inputs(node.site, placement, found).inputs[index]
        tensor = node.site.inputs[index]
        if seen == needed or tensor is None:
            return (0, 0)
        if order(seen) == order(needed) or node.absorbs_order:
            return (0, 1)
        return (tensor.size, 1)


def _total(costs: Sequence[Cost]) -> Cost:
    return sum(c[0] for c in costs), sum(c[1] for c in costs)
