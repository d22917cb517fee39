"""What every tensor of a float network holds on the calibration samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from midge.compress.evaluate import runs
from midge.compress.observers import Histogram
from midge.compress.rules import RULES
from midge.compress.samples import Samples
from midge.errors import UserError
from midge.graph import Array, DType, Graph
from midge.graph.ops.lstm import CELL
from midge.graph.quantized_forms import largest_cell_of

Float64Array = npt.NDArray[np.float64]


@dataclass
class Moments:
    """Sums over runs of what one tensor held, element by element.

    Attributes:
        runs: Number of runs.
        total: Sum of the values, of the tensor's shape.
        squares: Sum of their squares.
        largest: The largest magnitude.
    """

    runs: int
    total: Float64Array
    squares: Float64Array
    largest: Float64Array

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Moments:
        """Before the first run."""
        return cls(0, np.zeros(shape), np.zeros(shape), np.zeros(shape))

    def add(self, values: Array) -> None:
        """One more run."""
        exact = values.astype(np.float64)
        self.runs += 1
        self.total += exact
        self.squares += exact * exact
        np.maximum(self.largest, np.abs(exact), out=self.largest)

    @property
    def mean(self) -> Float64Array:
        """The mean over runs."""
        return self.total / self.runs

    @property
    def mean_square(self) -> Float64Array:
        """The mean square over runs."""
        return self.squares / self.runs


@dataclass(frozen=True)
class Observed:
    """What the calibration samples showed.

    Attributes:
        histograms: Of every float32 tensor that is computed, fed or a variable.
        moments: Of the inputs and outputs of weighted sums.
        largest_cells: The largest magnitude in the cell of each lstm, by the op's name.
    """

    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    moments: Mapping[str, Moments] = field(default_factory=dict)
    largest_cells: dict[str, float] = field(default_factory=dict)


def calibrate(graph: Graph, samples: Samples) -> Observed:
    """Run a float network over the samples and keep what its tensors held.

    Args:
        graph: A verified float graph.
        samples: At least one.

    Raises:
        UserError: a layer gives NaN or an infinity.
    """
    reals = [t for t in graph.tensors.values() if t.dtype is DType.FLOAT32 and not t.is_constant]
    observed = Observed(
        {t.name: Histogram() for t in reals},
        {name: Moments.of(graph.tensors[name].shape) for name in _of_weighted_sums(graph)},
    )
    for name, histogram in observed.histograms.items():
        if graph.tensors[name].variable:
            histogram.add(np.asarray(graph.tensors[name].data))
    cells = observed.largest_cells
    writers = {name: op for op in graph.ops for name in op.outputs}
    for number, values in enumerate(runs(graph, samples, "calibrating")):
        for name, histogram in observed.histograms.items():
            try:
                histogram.add(values[name])
            except UserError as error:
                op = writers.get(name)
                place = f"op {op.name!r} ({op.kind})" if op else f"variable {name!r}"
                raise UserError(
                    f"{graph.name}: {place} {error} on calibration sample {number}; the float "
                    "network must be sound before it is quantised"
                ) from None
        for name, moments in observed.moments.items():
            moments.add(values[name])
        for op in graph.ops:
            if op.kind == "lstm":
                seen = max(
                    # From zeros, step by step; and, of a stream, where it has come to.
                    largest_cell_of(graph, op, [values[op.inputs[0]]]),
                    float(np.abs(values[op.inputs[CELL]]).max()),
                )
                cells[op.name] = max(cells.get(op.name, 0.0), seen)
    return observed


def _of_weighted_sums(graph: Graph) -> set[str]:
    """Float tensors that weighted sums read and write."""
    names: set[str] = set()
    for op in graph.ops:
        rule = RULES.get(op.kind)
        if rule is not None and rule.weights is not None:
            names.update((op.inputs[0], *op.outputs))
    return {
        n
        for n in names
        if graph.tensors[n].dtype is DType.FLOAT32 and not graph.tensors[n].is_constant
    }
