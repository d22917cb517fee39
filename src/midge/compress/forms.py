"""layer_norm, gru and lstm as integers, by `midge.graph.quantized_forms`."""

from __future__ import annotations

from collections.abc import Mapping

from midge.compress.calibrate import Observed
from midge.compress.settings import QuantizeSettings
from midge.graph import DType, Graph, Op, Quantization, Tensor
from midge.graph.quantized_forms import quantize_gru, quantize_layer_norm, quantize_lstm

Form = tuple[list[Op], dict[str, Tensor]]
LARGEST_CELL = 1.0
"""Of an lstm's cell where nothing was seen in it."""


def quantized_form(
    graph: Graph,
    op: Op,
    ranges: Mapping[str, Quantization],
    observed: Observed,
    dtype: DType,
    settings: QuantizeSettings,
) -> Form:
    """The integer op in the place of a float one, and its new tensors.

    Args:
        graph: The float graph.
        op: A layer_norm, gru or lstm.
        ranges: Of its first input and of its output.
        observed: What the float graph's tensors held.
        dtype: Of the activations.
        settings: What was asked for.

    Raises:
        UserError: a constant is computed, or a bias leaves its type.
    """
    if op.kind == "lstm":
        largest = observed.largest_cells.get(op.name, LARGEST_CELL)
        return quantize_lstm(graph, op, ranges, activations=dtype, largest_cell=largest)
    if op.kind == "gru":
        return quantize_gru(graph, op, ranges, activations=dtype, rounding=settings.rounding)
    return quantize_layer_norm(graph, op, ranges, activations=dtype, rounding=settings.rounding)
