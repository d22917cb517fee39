"""The graph room: what a network is, and what it means."""

from midge.graph.file_form import read_graph, write_graph
from midge.graph.interpreter import State, initial_state, interpret, outputs_of, state_after
from midge.graph.ops import OPS
from midge.graph.text import format_graph
from midge.graph.text_parser import parse_graph
from midge.graph.types import (
    Activation,
    Array,
    Attributes,
    DType,
    Graph,
    Op,
    Quantization,
    Rounding,
    Tensor,
    TensorType,
)
from midge.graph.verify import verify

__all__ = [
    "OPS",
    "Activation",
    "Array",
    "Attributes",
    "DType",
    "Graph",
    "Op",
    "Quantization",
    "Rounding",
    "State",
    "Tensor",
    "TensorType",
    "format_graph",
    "initial_state",
    "interpret",
    "outputs_of",
    "parse_graph",
    "read_graph",
    "state_after",
    "verify",
    "write_graph",
]
