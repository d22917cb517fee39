"""How each operator runs on tensors that stand in another layout.

A rule takes an operator and the layout of one of its tensors, and says with which attributes the
operator then does the same, which layouts it needs its inputs in, and which its outputs come in.
What a rule refuses, and operators without one, run as the graph says them: there the layout is
settled by what stands around them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from midge.graph import Attributes, DType, Tensor
from midge.graph.elementwise import Binary
from midge.graph.elementwise_unary import Unary
from midge.graph.operands import tensor
from midge.graph.ops.add_n import AddN
from midge.graph.ops.argument import Argument
from midge.graph.ops.batch_matmul import BatchMatmul
from midge.graph.ops.broadcast_to import BroadcastTo, Tile
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.cumsum import Cumsum
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.l2_normalization import L2Normalization
from midge.graph.ops.layer_norm import LayerNorm
from midge.graph.ops.log_softmax import LogSoftmax
from midge.graph.ops.pad import MirrorPad, Pad
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.reductions import Reduction
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.select import Select
from midge.graph.ops.slice import Slice
from midge.graph.ops.softmax import Softmax
from midge.graph.ops.split import Split
from midge.passes.layout import (
    Group,
    Layout,
    extents,
    fitted,
    groups,
    inverse,
    natural,
    order,
    renamed,
    same_but_units,
    through_groups,
    with_units,
)


@dataclass(frozen=True)
class Site:
    """An operator with its tensors as the graph says them.

    Attributes:
        attributes: What it is.
        inputs: Its inputs, None where one is left out.
        outputs: Its outputs.
    """

    attributes: Attributes
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Placement:
    """An operator as it runs on the device.

    Attributes:
        attributes: What it is there.
        inputs: The layout it needs each input in.
        outputs: The layout each output comes in.
    """

    attributes: Attributes
    inputs: tuple[Layout, ...]
    outputs: tuple[Layout, ...]


def as_said(site: Site) -> Placement:
    """Every tensor as the graph says it."""
    return Placement(
        site.attributes,
        tuple(() if t is None else natural(t.shape) for t in site.inputs),
        tuple(natural(t.shape) for t in site.outputs),
    )


class Rule:
    """How operators of one pattern take layouts.

    The layout of an operator is that of the tensor that `shape` tells: one input or one output.

    Attributes:
        settled: The operator runs in one layout alone.
    """

    settled = False

    def shape(self, site: Site) -> tuple[int, ...]:
        """Of the tensor whose layout is the operator's."""
        return site.outputs[0].shape

    def from_input(self, site: Site, index: int, layout: Layout) -> Layout | None:
        """The operator's layout where an input has this one; None where that does not say it."""
        raise NotImplementedError

    def from_output(self, site: Site, index: int, layout: Layout) -> Layout | None:
        """The operator's layout where an output is to have this one; None as above."""
        raise NotImplementedError

    def place(self, site: Site, layout: Layout) -> Placement | None:
        """The operator in a layout that is not the natural one; None where it cannot run so."""
        raise NotImplementedError

    def placed(self, site: Site, layout: Layout) -> Placement | None:
        """The operator in any layout."""
        return as_said(site) if layout == natural(self.shape(site)) else self.place(site, layout)

    def with_inputs(
        self,
        site: Site,  # noqa: ARG002 - some rules look at it
        placement: Placement,
        found: Sequence[Layout | None],  # noqa: ARG002
    ) -> Placement:
        """The placement, changed to take inputs as they are found where that costs nothing."""
        return placement


class Settled(Rule):
    """Of operators that run as the graph says them."""

    settled = True

    def placed(self, site: Site, layout: Layout) -> Placement | None:  # noqa: ARG002
        """As the graph says it, whatever the layout."""
        return as_said(site)


class _Matmul(Settled):
    """Takes matrices of either orientation."""

    def with_inputs(
        self,
        site: Site,  # noqa: ARG002 - the placement says it all
        placement: Placement,
        found: Sequence[Layout | None],
    ) -> Placement:
        attributes, inputs = placement.attributes, list(placement.inputs)
        for index, layout in enumerate(found):
            said = inputs[index]
            if layout != (*said[:-2], said[-1], said[-2]) or layout == said:
                continue
            if isinstance(attributes, BatchMatmul):
                if index == 0:
                    attributes = replace(attributes, adj_x=not attributes.adj_x)
                else:
                    attributes = replace(attributes, adj_y=not attributes.adj_y)
                inputs[index] = layout
        return replace(placement, attributes=attributes, inputs=tuple(inputs))


class _Elementwise(Rule):
    """Each element of the output follows from one of each input; inputs broadcast."""

    def from_input(self, site: Site, index: int, layout: Layout) -> Layout | None:
        x, y = tensor(site.inputs[index]), site.outputs[0]
        if len(order(layout)) != len(order(natural(y.shape))):
            return None
        missing = len(y.shape) - len(x.shape)
        return tuple(None if d is None else d + missing for d in layout)

    def from_output(self, site: Site, index: int, layout: Layout) -> Layout | None:  # noqa: ARG002
        return layout

    def place(self, site: Site, layout: Layout) -> Placement | None:
        y = site.outputs[0]
        shape = extents(layout, y.shape)
        attributes = site.attributes
        if isinstance(attributes, BroadcastTo):
            attributes = replace(attributes, shape=shape)
        inputs = [self._aligned(tensor(x), y, layout) for x in site.inputs]
        # One element broadcasts as it is, as long as another input has all dimensions.
        if any(tensor(x).size > 1 for x in site.inputs):
            inputs = [
                natural(x.shape) if x.size == 1 and len(x.shape) <= len(layout) else needed
                for x, needed in zip(map(tensor, site.inputs), inputs, strict=True)
            ]
        return Placement(attributes, tuple(inputs), (layout,))

    @staticmethod
    def _aligned(x: Tensor, y: Tensor, layout: Layout) -> Layout:
        missing = len(y.shape) - len(x.shape)
        return tuple(
            d - missing if d is not None and d >= missing and x.shape[d - missing] > 1 else None
            for d in layout
        )


class _SameDimensions(Rule):
    """Inputs and output have the same dimensions in other extents."""

    def from_input(self, site: Site, index: int, layout: Layout) -> Layout | None:
        if index > 0 and isinstance(site.attributes, Pad):
            return None
        named = sorted(order(layout))
        return layout if named == list(order(natural(site.outputs[0].shape))) else None

    def from_output(self, site: Site, index: int, layout: Layout) -> Layout | None:  # noqa: ARG002
        return layout

    def place(self, site: Site, layout: Layout) -> Placement | None:
        attributes = self.turned(site, layout)
        if attributes is None:
            return None
        # The value that a pad writes is one element, and stands as it is.
        pieces = site.inputs[:1] if isinstance(attributes, Pad) else site.inputs
        needed = [
            tuple(d if d is not None and tensor(x).shape[d] > 1 else None for d in layout)
            for x in pieces
        ]
        needed += as_said(site).inputs[len(needed) :]
        return Placement(attributes, tuple(needed), (layout,))

    def turned(self, site: Site, layout: Layout) -> Attributes | None:
        """The attributes in that order of dimensions."""
        attributes = site.attributes
        if isinstance(attributes, Concatenation | Cumsum):
            if attributes.axis not in layout:
                return None
            return replace(attributes, axis=layout.index(attributes.axis))
        if isinstance(attributes, Pad | MirrorPad):
            before = tuple(0 if d is None else attributes.before[d] for d in layout)
            after = tuple(0 if d is None else attributes.after[d] for d in layout)
            return replace(attributes, before=before, after=after)
        if isinstance(attributes, Tile):
            multiples = tuple(1 if d is None else attributes.multiples[d] for d in layout)
            return replace(attributes, multiples=multiples)
        return None


class _OfInput(Rule):
    """The layout is the first input's."""

    def shape(self, site: Site) -> tuple[int, ...]:
        return tensor(site.inputs[0]).shape

    def from_input(self, site: Site, index: int, layout: Layout) -> Layout | None:  # noqa: ARG002
        return layout if index == 0 else None


class _Split(_OfInput):
    def from_output(self, site: Site, index: int, layout: Layout) -> Layout | None:  # noqa: ARG002
        named = sorted(order(layout))
        return layout if named == list(order(natural(self.shape(site)))) else None

    def place(self, site: Site, layout: Layout) -> Placement | None:
        attributes = site.attributes
        if not isinstance(attributes, Split) or attributes.axis not in layout:
            return None
        outputs = tuple(
            tuple(d if d is not None and y.shape[d] > 1 else None for d in layout)
            for y in site.outputs
        )
        turned = replace(attributes, axis=layout.index(attributes.axis))
        return Placement(turned, (layout,), outputs)


class _Slice(_OfInput):
    def from_output(self, site: Site, index: int, layout: Layout) -> Layout | None:  # noqa: ARG002
        attributes = site.attributes
        if not isinstance(attributes, Slice):
            return None
        dimensions = same_but_units(attributes.size, attributes.shape)
        if dimensions is None:
            return None
        found = renamed(layout, inverse(dimensions))
        if found is None or sorted(order(found)) != list(order(natural(self.shape(site)))):
            return None
        return found

    def place(self, site: Site, layout: Layout) -> Placement | None:
        attributes = site.attributes
        if not isinstance(attributes, Slice):
            return None
        dimensions = same_but_units(attributes.size, attributes.shape)
        if dimensions is None:
            return None
        kept = tuple(None if d is None else dimensions.get(d) for d in layout)
        output = kept if len(kept) == len(attributes.shape) else fitted(kept, attributes.shape)
        turned = Slice(
            begin=tuple(0 if d is None else attributes.begin[d] for d in layout),
            size=tuple(1 if d is None else attributes.size[d] for d in layout),
            step=tuple(1 if d is None else attributes.step[d] for d in layout),
            shape=extents(output, attributes.shape),
        )
        return Placement(turned, (layout,), (output,))


class _Reduction(_OfInput):
    """The dimensions that go are found where they stand."""

    def from_output(self, site: Site, index: int, layout: Layout) -> Layout | None:  # noqa: ARG002
        dimensions = self._kept(site)
        found = renamed(layout, inverse(dimensions))
        complete = list(order(natural(self.shape(site))))
        return found if found is not None and sorted(order(found)) == complete else None

    def place(self, site: Site, layout: Layout) -> Placement | None:
        attributes = site.attributes
        if not isinstance(attributes, Reduction):
            return None
        gone = [d for d in order(layout) if d in attributes.axes]
        # A float's sum depends on the order of its addends.
        if tensor(site.inputs[0]).dtype is DType.FLOAT32 and gone != sorted(gone):
            return None
        places = [place for place, d in enumerate(layout) if d in gone]
        units = [place for place, d in enumerate(layout) if d is None]
        missing = len(attributes.axes) - len(places)
        if missing:
            places += units[-missing:]
        if not places:
            return None
        dimensions = self._kept(site)
        output = tuple(
            None if d is None else dimensions.get(d)
            for place, d in enumerate(layout)
            if attributes.keep_dims or place not in places
        )
        return Placement(replace(attributes, axes=tuple(sorted(places))), (layout,), (output,))

    def _kept(self, site: Site) -> dict[int, int]:
        """The output's dimensions by the input's."""
        attributes, shape = site.attributes, self.shape(site)
        if not isinstance(attributes, Reduction):
            return {}
        kept = [d for d in range(len(shape)) if d not in attributes.axes]
        numbers = kept if attributes.keep_dims else list(range(len(kept)))
        pairs = zip(kept, numbers, strict=True)
        return {d: number for d, number in pairs if shape[d] > 1}


class _Argument(_OfInput):
    def from_output(self, site: Site, index: int, layout: Layout) -> Layout | None:  # noqa: ARG002
        return None

    def place(self, site: Site, layout: Layout) -> Placement | None:
        attributes = site.attributes
        if not isinstance(attributes, Argument) or attributes.axis not in layout:
            return None
        axis = attributes.axis
        output = tuple(
            d if d is None or d < axis else d - 1 for d in layout if d is None or d != axis
        )
        return Placement(replace(attributes, axis=layout.index(axis)), (layout,), (output,))


class _Rows(_OfInput):
    """Works on rows of the last dimension, of which there may be any number, in any order."""

    def from_output(self, site: Site, index: int, layout: Layout) -> Layout | None:  # noqa: ARG002
        last = natural(self.shape(site))[-1:]
        return (*layout[:-1], *last) if layout[-1:] == natural(site.outputs[0].shape)[-1:] else None

    def place(self, site: Site, layout: Layout) -> Placement | None:
        x, y = tensor(site.inputs[0]), site.outputs[0]
        # As many dimensions as said: a row of features alone is not made an image.
        if len(layout) != len(x.shape) or layout[-1:] != natural(x.shape)[-1:]:
            return None
        others = as_said(site).inputs[1:]
        output = (*layout[:-1], *natural(y.shape)[-1:])
        return Placement(site.attributes, (layout, *others), (output,))


class _Reshape(_OfInput):
    """Splits and merges dimensions where they stand side by side."""

    def _groups(self, site: Site) -> list[Group]:
        return groups(self.shape(site), site.outputs[0].shape)

    def from_output(self, site: Site, index: int, layout: Layout) -> Layout | None:  # noqa: ARG002
        back = [(theirs, ours) for ours, theirs in self._groups(site)]
        found = through_groups(layout, back)
        return None if found is None else with_units(found, self.shape(site))

    def place(self, site: Site, layout: Layout) -> Placement | None:
        y = site.outputs[0]
        found = through_groups(layout, self._groups(site))
        if found is None:
            return None
        output = with_units(found, y.shape)
        return Placement(Reshape(shape=extents(output, y.shape)), (layout,), (output,))


_RULES: tuple[tuple[type | tuple[type, ...], Rule], ...] = (
    ((Unary, Binary, AddN, Select, Prelu, BroadcastTo), _Elementwise()),
    ((Concatenation, Cumsum, Pad, MirrorPad, Tile), _SameDimensions()),
    (Split, _Split()),
    (Slice, _Slice()),
    (Reduction, _Reduction()),
    (Argument, _Argument()),
    ((Softmax, LogSoftmax, L2Normalization, LayerNorm), _Rows()),
    (Reshape, _Reshape()),
    (BatchMatmul, _Matmul()),
)
_SETTLED = Settled()


def rule_of(site: Site) -> Rule:
    """The rule of an operator.

    One that touches a variable is settled: what it reads may not be read at another time.
    """
    if any(t is not None and t.variable for t in site.inputs):
        return _SETTLED
    attributes = site.attributes
    if isinstance(attributes, FullyConnected):
        return _Rows() if attributes.keep_dims else _SETTLED
    for kinds, rule in _RULES:
        if isinstance(attributes, kinds):
            return rule
    return _SETTLED
