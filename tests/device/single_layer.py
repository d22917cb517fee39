"""One operator of one input on this machine, compared with the interpreter in every bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.driver.compare_layers import unequal_elements
from midge.graph import Attributes, Graph, Op, Quantization, Tensor, interpret, outputs_of
from support.host_network import run_on_host

Array = NDArray[np.generic]


def assert_equals_interpreter(
    attributes: Attributes, x: Tensor, values: Array, quantization: Quantization | None = None
) -> None:
    """The kernel's outputs are the interpreter's.

    Args:
        attributes: The operator.
        x: Its input.
        values: What stands in x.
        quantization: Of the output.
    """
    (result,) = attributes.infer([x])
    y = Tensor("y", result.shape, result.dtype, quantization)
    graph = Graph("net", {"x": x, "y": y}, (Op("00", attributes, ("x",), ("y",)),), ("x",), ("y",))
    sample = {"x": values.reshape(x.shape)}
    expected = np.ascontiguousarray(outputs_of(graph, interpret(graph, sample))["y"])
    found = run_on_host(graph, sample)["y"]
    unequal = np.argwhere(unequal_elements(found, expected).reshape(found.shape))
    assert not unequal.size, (attributes, unequal[0], found, expected)
