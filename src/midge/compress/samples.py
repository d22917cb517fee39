"""Arrays from users as what a float network takes: checked, in its layout, one sample at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph import Array, DType, Graph, Tensor

Sample = dict[str, Array]
"""The inputs of one inference by name, of the graph's shapes, types and order of dimensions."""
Labels = npt.NDArray[np.int64]

FEW_SAMPLES = 16
"""With fewer the ranges that are seen are a matter of luck."""
MOST_BYTES = 1 << 31
"""Of all samples together: what stands in memory at once."""


@dataclass(frozen=True)
class Samples:
    """What a network is calibrated or evaluated on.

    Attributes:
        samples: One a run, in order.
        labels: The class of each, where they came along.
    """

    samples: tuple[Sample, ...]
    labels: Labels | None = None

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.samples)

    def at_most(self, count: int, *, stream: bool = False) -> Samples:
        """As many, or all: the first ones of a stream, else evenly spread over all."""
        if len(self.samples) <= count:
            return self
        chosen = [i if stream else i * len(self.samples) // count for i in range(count)]
        labels = None if self.labels is None else self.labels[chosen]
        return Samples(tuple(self.samples[i] for i in chosen), labels)


def take_samples(graph: Graph, given: object, labels: object = None, what: str = "") -> Samples:
    """Check what a user gave against the network's inputs.

    Args:
        graph: A network; quantised inputs are given as the real numbers that they stand for.
        given: An array [N, ...] in the order of dimensions of the source model (`Graph.layouts`),
            where a leading 1 of the input's shape is the batch; or arrays by input's name; or
            something that yields either, or pairs of either and labels, in batches or one by one,
            as a loader of PyTorch does.
        labels: Integers [N]; instead of those that come in pairs.
        what: What the samples are called in messages.

    Raises:
        UserError: there is none, or one has another shape or type, or holds NaN or an infinity.
    """
    what = what or "calibration samples"
    batches: list[Sample] = []
    seen_labels: list[Labels] = []
    size_bytes = 0
    for batch, own_labels in _batches(given, what):
        taken = _batch(graph, batch, sum(_length(b) for b in batches), what)
        size_bytes += sum(a.nbytes for a in taken.values())
        if size_bytes > MOST_BYTES:
            raise UserError(
                f"{what}: over {MOST_BYTES} bytes; give fewer, a few hundred are enough"
            )
        batches.append(taken)
        if own_labels is not None:
            seen_labels.append(_labels(own_labels, _length(taken), what))
    if not batches:
        raise UserError(f"{what}: found none; expected at least one, better {FEW_SAMPLES} or more")
    rows = tuple(
        {name: array[i] for name, array in batch.items()}
        for batch in batches
        for i in range(_length(batch))
    )
    if labels is not None:
        return Samples(rows, _labels(labels, len(rows), what))
    paired = np.concatenate(seen_labels) if len(seen_labels) == len(batches) else None
    return Samples(rows, paired)


def _length(batch: Mapping[str, Array]) -> int:
    return len(next(iter(batch.values())))


def _batches(given: object, what: str) -> Iterator[tuple[object, object]]:
    """Each batch with the labels beside it, or None."""
    if _is_array(given) or isinstance(given, Mapping):
        yield given, None
        return
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise UserError(
            f"{what}: found {type(given).__name__}; expected an array [n, ...], arrays by input's "
            "name, or something that yields them"
        )
    if isinstance(given, tuple) and len(given) == 2 and all(_is_array(part) for part in given):
        yield given[0], given[1]
        return
    for item in given:
        if isinstance(item, tuple | list) and len(item) == 2 and not _is_number(item[0]):
            yield item[0], item[1]
        else:
            yield (item[0] if isinstance(item, tuple | list) and len(item) == 1 else item), None


def _is_array(value: object) -> bool:
    """A NumPy array, or what turns into one, as a tensor of PyTorch does."""
    return hasattr(value, "__array__") and hasattr(value, "shape")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _as_array(value: object, place: str) -> npt.NDArray[Any]:
    detached = value.detach().cpu() if hasattr(value, "detach") else value
    try:
        return np.asarray(detached)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(f"{place}: is no array: {error}") from None


def _batch(graph: Graph, batch: object, before: int, what: str) -> Sample:
    """Arrays [n, *shape] by name, in the graph's layout."""
    by_name = batch if isinstance(batch, Mapping) else _only_input(graph, batch, what)
    if set(by_name) != set(graph.inputs):
        raise UserError(
            f"{what}: inputs are named {sorted(map(str, by_name))}; {graph.name} has "
            f"{sorted(graph.inputs)}"
        )
    taken = {}
    for name in graph.inputs:
        place = f"{what}: input {name!r}"
        array = _typed(graph.tensors[name], _as_array(by_name[name], place), place, before)
        taken[name] = _laid_out(graph, graph.tensors[name], array, place)
    lengths = {name: len(array) for name, array in taken.items()}
    if len(set(lengths.values())) != 1:
        raise UserError(f"{what}: inputs differ in their number of samples: {lengths}")
    return taken


def _only_input(graph: Graph, batch: object, what: str) -> dict[str, object]:
    if len(graph.inputs) != 1:
        raise UserError(
            f"{what}: {graph.name} has {len(graph.inputs)} inputs; give arrays by name: "
            f"{list(graph.inputs)}"
        )
    return {graph.inputs[0]: batch}


def _typed(tensor: Tensor, array: npt.NDArray[Any], place: str, before: int) -> Array:
    """The array in the input's type, or real numbers where that is quantised.

    What would be changed by that is refused.
    """
    expected = (tensor.dtype if tensor.quantization is None else DType.FLOAT32).numpy
    if expected.kind == "f":
        if array.dtype.kind not in "fiu":
            raise UserError(f"{place}: holds {array.dtype}; expected float32")
        with np.errstate(over="ignore"):
            floats = array.astype(expected)
        finite = np.isfinite(floats)
        if not finite.all():
            at = tuple(int(i) for i in np.argwhere(~finite)[0])
            sample = f"sample {before + at[0]}" if at else "the sample"
            raise UserError(
                f"{place}: {sample} holds {floats[at]} at {list(at[1:])}; expected finite numbers"
            )
        return floats
    if array.dtype.kind not in "iub" or (array.dtype.kind == "b") != (expected.kind == "b"):
        raise UserError(f"{place}: holds {array.dtype}; expected {tensor.dtype.value}")
    if array.size and expected.kind != "b":
        low, high = tensor.dtype.limits
        if array.min() < low or array.max() > high:
            raise UserError(
                f"{place}: holds {array.min()} to {array.max()}; {tensor.dtype.value} is from "
                f"{low} to {high}"
            )
    return array.astype(expected)


def _laid_out(graph: Graph, tensor: Tensor, array: Array, place: str) -> Array:
    """[n, *shape] in the graph's order of dimensions."""
    order = graph.layouts.get(tensor.name, tuple(range(len(tensor.shape))))
    source = [0] * len(order)
    for position, dimension in enumerate(order):
        source[dimension] = tensor.shape[position]
    unbatched = tuple(source[1:] if source[:1] == [1] else source)
    shape = array.shape
    if shape[1:] == tuple(source) and len(array):
        whole = array
    elif shape[1:] == unbatched and len(array):
        whole = array.reshape(len(array), *source)
    else:
        expected = f"[n, {', '.join(map(str, unbatched))}]".replace(", ]", "]")
        raise UserError(f"{place}: has shape {list(shape)}; expected {expected}, n at least 1")
    turned = np.transpose(whole, (0, *(1 + d for d in order)))
    return np.ascontiguousarray(turned)


def _labels(given: object, count: int, what: str) -> Labels:
    labels = _as_array(given, f"{what}: labels").reshape(-1)
    if labels.dtype.kind not in "iu" or len(labels) != count:
        raise UserError(
            f"{what}: labels are {labels.dtype}[{len(labels)}]; expected {count} integers, one a "
            "sample"
        )
    return labels.astype(np.int64)


def source_array(graph: Graph, name: str, rows: Sequence[Array]) -> Array:
    """Values of an input or output, one a run, as [N, ...] in the source's order of dimensions.

    The source's own batch of one is left out.
    """
    order = graph.layouts.get(name)
    turned = [r if order is None else np.transpose(r, np.argsort(order)) for r in rows]
    is_one = graph.source_shape(name)[:1] == (1,)
    return np.concatenate(turned) if is_one else np.stack(turned)
