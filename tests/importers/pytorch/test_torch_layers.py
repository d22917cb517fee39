"""Layers with weights, recurrent layers and state, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_programs import (
    F,
    answers,
    arrays_of,
    check,
    expect_answers,
    exported,
    module_of,
    nn,
    saved,
    torch,
    without_changes_in_place,
)

from midge.errors import UnsupportedError
from midge.graph import interpret, state_after
from midge.importers.torch_archive import import_pt2
from midge.importers.torch_export import import_exported, import_module

SLOW = settings(max_examples=12, deadline=None, derandomize=True)


def run_both(module: Any, *inputs: Any) -> None:
    expect_answers(import_exported(exported(module, *inputs)), inputs, answers(module, inputs))


@SLOW
@given(st.data())
def test_conv2d(data: st.DataObject) -> None:
    groups = data.draw(st.sampled_from([1, 2, 4]))
    kernel = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = data.draw(st.sampled_from(["same", "valid", 1, (0, 2)]))
    stride = 1 if padding == "same" else data.draw(st.sampled_from([1, 2, (2, 1)]))
    dilation = data.draw(st.sampled_from([1, 2, (1, 2)]))
    outputs = groups * data.draw(st.integers(1, 2))
    bias = data.draw(st.booleans())
    torch.manual_seed(0)
    layer = nn.Conv2d(4, outputs, kernel, stride, padding, dilation, groups, bias)
    run_both(layer.eval(), torch.randn(data.draw(st.integers(1, 2)), 4, 7, 8))


@SLOW
@given(st.data())
def test_conv1d(data: st.DataObject) -> None:
    groups = data.draw(st.sampled_from([1, 3]))
    stride, dilation = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    mode = data.draw(st.sampled_from(["zeros", "reflect", "replicate"]))
    torch.manual_seed(0)
    layer = nn.Conv1d(3, 6, 3, stride, 1, dilation, groups, padding_mode=mode)
    run_both(layer.eval(), torch.randn(1, 3, 12))


@SLOW
@given(st.data())
def test_transposed_conv2d(data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, 3))
    padding = data.draw(st.integers(0, 1))
    extra = data.draw(st.integers(0, stride - 1))
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(3, 2, (3, 2), stride, padding, extra)
    run_both(layer.eval(), torch.randn(1, 3, 4, 5))


def test_layers_in_every_form() -> None:
    torch.manual_seed(1)
    images = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding="same", bias=False),
        nn.BatchNorm2d(8),
        nn.PReLU(8),
        nn.Conv2d(8, 8, 3, 2, groups=8),
        nn.ConvTranspose2d(8, 4, 2, 2),
        nn.Flatten(),
        nn.Linear(4 * 36, 5),
    )
    check(images.eval(), torch.randn(1, 3, 8, 8))
    signals = nn.Sequential(
        nn.Conv1d(2, 4, 4, 2, padding=1), nn.GroupNorm(2, 4), nn.ConvTranspose1d(4, 3, 4, 2, 1)
    )
    check(signals.eval(), torch.randn(2, 2, 16))


def test_a_single_sample_without_a_batch() -> None:
    run_both(nn.Conv2d(3, 4, 3).eval(), torch.randn(3, 6, 6))


def test_attention() -> None:
    torch.manual_seed(2)
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    module = module_of(lambda self, x: self.attention(x, x, x)[0], attention=layer)
    check(module, torch.randn(1, 5, 8))


def test_weights_that_are_tied_stand_once() -> None:
    layer = nn.Linear(6, 6)
    module = module_of(lambda self, x: self.b(torch.relu(self.a(x))), a=layer, b=layer)
    graph = import_exported(exported(module, torch.ones(1, 6)))
    assert sum(t.shape == (6, 6) for t in graph.tensors.values()) == 1
    run_both(module, torch.randn(1, 6))


def test_weights_that_are_views() -> None:
    """Transposed, part of another, of stride 0: as archives hold them."""
    whole = torch.arange(48.0).reshape(6, 8)
    parts = {"a": whole.t(), "b": whole[:, 2:5], "c": torch.ones(1, 6).expand(3, 6)}
    module = module_of(
        lambda self, x: (F.linear(x, self.a), F.linear(x, self.b.t()), F.linear(x, self.c)),
        **parts,
    )
    x = torch.randn(2, 6)
    program = exported(module, x)
    for graph in (import_exported(program), import_pt2(saved(program), "m.pt2")):
        expect_answers(graph, [x], answers(module, [x]))


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float64", "int64"])
def test_constants_of_other_types(kind: str) -> None:
    stored = torch.tensor([1.5, -2.0, 3.25, 4.0]).to(getattr(torch, kind))
    module = module_of(lambda self, x: x * self.scale.to(torch.float32), scale=stored)
    x = torch.randn(1, 4)
    program = exported(module, x)
    for graph in (import_exported(program), import_pt2(saved(program), "m.pt2")):
        expect_answers(graph, [x], answers(module, [x]))


def _recurrent(cell: Any, **options: Any) -> Any:
    def forward(self: Any, x: Any) -> Any:
        steps, state = self.cell(x)
        return (steps, *state) if isinstance(state, tuple) else (steps, state)

    torch.manual_seed(3)
    return module_of(forward, cell=cell(5, 4, **options))


OPTIONS = [
    {"batch_first": True},
    {"num_layers": 2},
    {"bidirectional": True, "num_layers": 2, "batch_first": True},
    {"bias": False},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_recurrent_layers(cell: str, options: dict[str, Any]) -> None:
    module = _recurrent(getattr(nn, cell), **options)
    x = torch.randn(2, 7, 5)
    graph = import_exported(exported(module, x))
    layers = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    assert sum(op.kind == cell.lower() for op in graph.ops) == layers
    expect_answers(graph, [x], answers(module, [x]))


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_streaming_keeps_the_state_of_a_whole_sequence(cell: str, steps: int) -> None:
    module = _recurrent(getattr(nn, cell), batch_first=True, num_layers=2)
    sequence = torch.randn(1, 9, 5)
    whole = answers(module, [sequence])[0].numpy()
    program = exported(module, sequence[:, :steps])
    streaming = import_exported(program, streaming=True)
    assert streaming == import_exported(program, streaming=True)
    state = None
    for begin in range(0, 9, steps):
        part = sequence[:, begin : begin + steps]
        values = interpret(streaming, arrays_of(streaming, [part]), state)
        state = state_after(streaming, values)
        np.testing.assert_allclose(
            values[streaming.outputs[0]], whole[:, begin : begin + steps], 1e-5, 1e-6
        )
    names = {t.name for t in streaming.variables}
    assert {f"cell.{cell.lower()}.l{layer}.hidden" for layer in (0, 1)} <= names


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_without_streaming_each_call_begins_anew(cell: str) -> None:
    module = _recurrent(getattr(nn, cell), batch_first=True)
    x = torch.randn(1, 3, 5)
    graph = import_exported(exported(module, x))
    first = interpret(graph, arrays_of(graph, [x]))
    again = interpret(graph, arrays_of(graph, [x]), state_after(graph, first))
    np.testing.assert_array_equal(first[graph.outputs[0]], again[graph.outputs[0]])


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_a_state_that_the_module_takes_and_gives(cell: str) -> None:
    def forward(self: Any, x: Any, *state: Any) -> Any:
        given = state if cell == "LSTM" else state[0]
        steps, last = self.cell(x, given)
        return (steps, *last) if cell == "LSTM" else (steps, last)

    module = module_of(forward, cell=getattr(nn, cell)(5, 4, batch_first=True))
    inputs = [
        torch.randn(1, 2, 5),
        *(torch.randn(1, 1, 4) for _ in range(2 if cell == "LSTM" else 1)),
    ]
    graph = import_exported(exported(module, *inputs), streaming=True)
    expect_answers(graph, inputs, answers(module, inputs))


@pytest.mark.parametrize("cell", ["GRUCell", "LSTMCell"])
def test_cells(cell: str) -> None:
    def forward(self: Any, x: Any, h: Any, c: Any) -> Any:
        given = self.cell(x, (h, c) if cell == "LSTMCell" else h)
        return given if cell == "LSTMCell" else (given,)

    module = module_of(forward, cell=getattr(nn, cell)(5, 4))
    inputs = [torch.randn(2, 5), torch.randn(2, 4), torch.randn(2, 4)]
    graph = import_exported(exported(module, *inputs))
    expect_answers(graph, inputs, answers(module, inputs))


def test_bidirectional_layers_do_not_stream() -> None:
    module = _recurrent(nn.GRU, bidirectional=True)
    with pytest.raises(
        UnsupportedError, match=r"cell\.gru \(aten\.gru\.input.*\): is bidirectional"
    ):
        import_module(module, torch.randn(3, 1, 5), streaming=True)


def ring_buffer() -> Any:
    def forward(self: Any, x: Any) -> Any:
        self.buffer[:, :-1] = self.buffer[:, 1:].clone()
        self.buffer[:, -1] = x
        return self.buffer.mean(1), self.buffer[:, 0] + x

    return module_of(forward, buffer=torch.arange(12.0).reshape(1, 4, 3))


def smoother() -> Any:
    def forward(self: Any, x: Any) -> Any:
        self.level.mul_(0.9).add_(x, alpha=0.1)
        return self.level * 1

    return module_of(forward, level=torch.ones(1, 3))


@pytest.mark.parametrize("make", [ring_buffer, smoother])
def test_buffers_that_are_changed_are_state(make: Any) -> None:
    x = torch.randn(1, 3)
    program = exported(make(), x)
    functional = without_changes_in_place(program)
    graphs = [import_exported(program), import_pt2(saved(functional), "m.pt2")]
    if make is smoother:
        graphs.append(import_pt2(saved(program), "m.pt2"))
    for graph in graphs:
        module, state = make(), None
        for _ in range(6):
            x = torch.randn(1, 3)
            values = interpret(graph, arrays_of(graph, [x]), state)
            state = state_after(graph, values)
            for name, wanted in zip(graph.outputs, answers(module, [x]), strict=True):
                np.testing.assert_allclose(values[name], wanted.numpy(), 1e-5, 1e-6)


def test_a_view_of_what_is_changed_in_place_is_refused_in_an_archive() -> None:
    data = saved(exported(ring_buffer(), torch.randn(1, 3)))
    with pytest.raises(UnsupportedError, match=r"export program\.run_decompositions"):
        import_pt2(data, "m.pt2")


def test_an_operator_in_place_on_a_value_of_its_own() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)).eval()
    x = torch.randn(1, 4)
    graph = import_pt2(saved(exported(module, x)), "m.pt2")
    assert [op.name for op in graph.ops] == ["0", "1", "2"]
    expect_answers(graph, [x], answers(module, [x]))
