"""Programs that torchao has quantised: stored integers and parameters come in unchanged."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from torch_programs import answers, arrays_of, exported, module_of, nn, quiet, saved, torch

from midge.errors import UnsupportedError
from midge.graph import DType, Graph, interpret
from midge.importers.torch_archive import import_pt2
from midge.importers.torch_export import import_exported


@cache
def _quantized(per_channel: bool) -> tuple[Any, Any]:
    """What torchao's flow makes of a small network, as a module and as a program."""
    with quiet():
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
        from torchao.testing.pt2e._xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )

        torch.manual_seed(4)
        module = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 4, 3, groups=4),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 3),
        ).eval()
        example = (torch.randn(1, 2, 6, 6),)
        config = get_symmetric_quantization_config(is_per_channel=per_channel)
        prepared = prepare_pt2e(
            torch.export.export(module, example).module(), XNNPACKQuantizer().set_global(config)
        )
        for _ in range(4):
            prepared(torch.randn(1, 2, 6, 6))
        converted = convert_pt2e(prepared)
        return converted, torch.export.export(converted, example)


def _stored(graph: Graph) -> dict[str, Any]:
    return {
        name: t for name, t in graph.tensors.items() if t.is_constant and t.quantization is not None
    }


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_network_of_torchao(per_channel: bool) -> None:
    converted, program = _quantized(per_channel)
    graphs = [import_exported(program), import_pt2(saved(program), "m.pt2")]
    x = torch.randn(1, 2, 6, 6)
    (wanted,) = answers(converted, [x])
    for graph in graphs:
        kinds = [op.kind for op in graph.ops]
        assert {"quantize", "dequantize", "conv_2d", "depthwise_conv_2d"} <= set(kinds)
        stored = _stored(graph)
        assert {t.dtype for t in stored.values()} == {DType.INT8}
        assert any(t.quantization.axis is not None for t in stored.values()) is per_channel
        values = interpret(graph, arrays_of(graph, [x]))
        found = values[graph.outputs[0]]
        step = graph.tensors[graph.ops[-1].inputs[0]].scale
        # PyTorch rounds halves to even and multiplies by the inverse of a scale.
        assert np.abs(found - wanted.numpy()).max() <= 1.01 * step


def test_weights_are_those_of_the_program() -> None:
    _, program = _quantized(True)
    graph = import_exported(program)
    given = program.state_dict["_frozen_param0"].numpy()
    found = next(t for t in _stored(graph).values() if t.shape == (4, 3, 3, 2))
    np.testing.assert_array_equal(np.asarray(found.data), given.transpose(0, 2, 3, 1))
    scales = program.state_dict["_scale_0"].numpy().astype(np.float32)
    np.testing.assert_array_equal(found.quantization.scale, scales)
    assert found.quantization.axis == 0


def _decomposed(forward: Any, **parts: Any) -> Any:
    """A module that calls the operators themselves."""
    with quiet():
        from torch.ao.quantization.fx import _decomposed as registered

    assert registered
    return module_of(lambda self, x: forward(torch.ops.quantized_decomposed, self, x), **parts)


def _there_and_back(q: Any, x: Any, low: int, high: int, dtype: str, zero: int) -> Any:
    kind = getattr(torch, dtype)
    stored = q.quantize_per_tensor(x, 0.05, zero, low, high, kind)
    return q.dequantize_per_tensor(stored.reshape(-1), 0.05, zero, low, high, kind)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "zero"),
    [("int8", -128, 127, -3), ("uint8", 0, 255, 130), ("int16", -32768, 32767, 0)],
)
def test_types_of_activations(dtype: str, low: int, high: int, zero: int) -> None:
    """uint8 is shifted to int8; what moves stored integers keeps their parameters."""
    module = _decomposed(lambda q, self, x: _there_and_back(q, x, low, high, dtype, zero))  # noqa: ARG005
    x = torch.linspace(-9.013, 9.017, 12).reshape(3, 4)
    graph = import_exported(exported(module, x))
    found = interpret(graph, arrays_of(graph, [x]))[graph.outputs[0]]
    np.testing.assert_allclose(found, answers(module, [x])[0].numpy(), 1e-6, 1e-6)
    shifted = next(t for t in graph.tensors.values() if t.quantization is not None)
    assert shifted.dtype is (DType.INT16 if dtype == "int16" else DType.INT8)
    assert shifted.zero_point == (zero - 128 if dtype == "uint8" else zero)


def test_narrow_ranges_and_arithmetic_on_stored_integers() -> None:
    module = _decomposed(lambda q, self, x: _there_and_back(q, x, -127, 127, "int8", 0))  # noqa: ARG005
    with pytest.raises(UnsupportedError, match="quantises to -127 to 127; supported: the whole"):
        import_exported(exported(module, torch.ones(2, 2)))

    def doubled(q: Any, self: Any, x: Any) -> Any:  # noqa: ARG001
        stored = q.quantize_per_tensor(x, 0.05, 0, -128, 127, torch.int8)
        return q.dequantize_per_tensor(stored + stored, 0.05, 0, -128, 127, torch.int8)

    with pytest.raises(UnsupportedError, match=r"add .*computes with the stored integers of"):
        import_exported(exported(_decomposed(doubled), torch.ones(2, 2)))


def test_other_parameters_on_the_way_back() -> None:
    def uneven(q: Any, self: Any, x: Any) -> Any:  # noqa: ARG001
        stored = q.quantize_per_tensor(x, 0.05, 0, -128, 127, torch.int8)
        return q.dequantize_per_tensor(stored, 0.06, 0, -128, 127, torch.int8)

    with pytest.raises(UnsupportedError, match="dequantised by other parameters"):
        import_exported(exported(_decomposed(uneven), torch.ones(2, 2)))


def test_weights_that_are_quantised_when_they_are_used() -> None:
    """As a program of quantisation-aware training has them before its constants are folded."""

    def forward(q: Any, self: Any, x: Any) -> Any:
        zeros = torch.zeros(3, dtype=torch.int64)
        stored = q.quantize_per_channel(self.w, self.scales, zeros, 0, -127, 127, torch.int8)
        w = q.dequantize_per_channel(stored, self.scales, zeros, 0, -127, 127, torch.int8)
        return torch.nn.functional.linear(x, w)

    module = _decomposed(forward, w=torch.randn(3, 4), scales=torch.tensor([0.01, 0.02, 0.03]))
    x = torch.randn(2, 4)
    graph = import_exported(exported(module, x))
    assert [op.kind for op in graph.ops] == ["dequantize", "fully_connected"]
    found = interpret(graph, arrays_of(graph, [x]))[graph.outputs[0]]
    np.testing.assert_allclose(found, answers(module, [x])[0].numpy(), 1e-5, 1e-6)
