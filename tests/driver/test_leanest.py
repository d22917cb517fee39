"""Where the fastest kernels do not fit the board, the leanest are tried."""

from __future__ import annotations

import numpy as np
import pytest

import midge
from midge.c_emitter import choose_kernels
from midge.errors import DoesNotFitError
from midge.graph import DType, Graph, Op, Quantization, Tensor
from midge.graph.ops.add import Add
from midge.graph.ops.conv_2d import Conv2D

CODES = Quantization.per_tensor(0.5, 0)


def wide_convolution(taps_h: int) -> Graph:
    """Its widened windows take four times the bytes of its input."""
    shape = (1, taps_h, 32, 128)
    weights = np.ones((1, *shape[1:]), np.int8)
    tensors = (
        Tensor("x", shape, DType.INT8, CODES),
        Tensor("w", weights.shape, DType.INT8, CODES, weights),
        Tensor("y", (1, 1, 1, 1), DType.INT8, Quantization.per_tensor(100.0, 0)),
    )
    op = Op("wide", Conv2D(), ("x", "w"), ("y",))
    return Graph("wide", {t.name: t for t in tensors}, (op,), ("x",), ("y",))


@pytest.mark.parametrize("measured", [False, True])
def test_a_kernel_with_less_scratch_takes_over(measured: bool) -> None:
    graph = wide_convolution(16)
    (fastest,) = choose_kernels(graph, frozenset({"dsp"}))
    artifact = midge.compile(graph, target="nrf52840", measured=measured)
    (kernel,) = artifact.choice
    assert fastest is not None
    assert kernel is not None
    assert (fastest.variant, kernel.variant) == ("dsp", "portable")
    assert artifact.run().ram_bytes.total < 256 * 1024


def test_the_refusal_is_that_of_the_fastest_when_none_fits() -> None:
    with pytest.raises(DoesNotFitError, match=r"RAM: needs \d+ bytes, the board has 262144"):
        midge.compile(wide_convolution(70), target="nrf52840")


def test_scalars_are_added_on_the_device() -> None:
    tensors = {n: Tensor(n, (), DType.INT8, CODES) for n in "aby"}
    graph = Graph("s", tensors, (Op("o", Add(), ("a", "b"), ("y",)),), ("a", "b"), ("y",))
    result = midge.compile(graph).run({"a": np.int8(3), "b": np.int8(4)})  # type: ignore[dict-item]
    assert dict(result.outputs)["y"] == 7  # type: ignore[call-overload]
