"""Every converter, with many attributes, against PyTorch: as exported, decomposed, and from .pt2."""

# ruff: noqa: PLW0108 - a bare name would import PyTorch when the test is collected

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from torch_programs import F, answers, core, expect_answers, exported, module_of, saved, torch

from midge.importers.torch_archive import import_pt2
from midge.importers.torch_export import import_exported
from midge.importers.torch_ops import CONVERTERS

Case = Callable[[Any], Any]

ELSEWHERE = frozenset(
    (
        # Of `test_torch_layers`.
        *("conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "convolution", "linear"),
        *("gru", "gru_cell", "lstm", "lstm_cell", "zeros", "copy", "_convolution", "clone"),
        # PyTorch gives them only in archives of older versions, or another name in their place.
        *(
            "clip",
            "concat",
            "concatenate",
            "multiply",
            "true_divide",
            "sgn",
            "swapaxes",
            "swapdims",
        ),
        *("broadcast_to", "ravel", "reshape_as", "view_as", "view_of", "type_as", "numpy_T"),
        *("lift_fresh", "detach_", "new_zeros", "norm", "triu", "alpha_dropout", "feature_dropout"),
        *("reflection_pad1d", "reflection_pad2d", "replication_pad1d", "replication_pad2d"),
        *("_safe_softmax", "_scaled_dot_product_flash_attention_for_cpu", "_prelu_kernel"),
        *("_unsafe_view", "_unsafe_index", "contiguous", "dot", "mv", "logical_or"),
        *("__and__", "__or__"),
    )
)
"""Operators that no group's program calls."""

GROUPS: dict[str, list[Case]] = {
    "rectifiers": [
        lambda x: F.relu(x),
        lambda x: F.relu6(5 * x),
        lambda x: F.hardtanh(2 * x),
        lambda x: F.hardtanh(2 * x, -0.5, 1.5),
        lambda x: x.clamp(-0.3),
        lambda x: x.clamp(max=0.3),
        lambda x: torch.clamp_min(x, 0.1),
        lambda x: torch.clamp_max(x, 0.1),
        lambda x: F.leaky_relu(x, 0.2),
        lambda x: F.prelu(x, torch.tensor([0.1, 0.2, 0.3, -0.4])),
        lambda x: F.prelu(x, torch.tensor([0.25])),
        lambda x: F.elu(x),
        lambda x: F.elu(x, 0.7),
        lambda x: F.selu(x),
        lambda x: F.celu(x),
        lambda x: F.threshold(x, 0.1, 20.0),
    ],
    "curves": [
        lambda x: F.gelu(x),
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: F.silu(x),
        lambda x: F.mish(x),
        lambda x: F.softplus(x),
        lambda x: F.softplus(x, 2.0),
        lambda x: F.hardswish(4 * x),
        lambda x: F.hardsigmoid(4 * x),
        lambda x: x.sigmoid().tanh(),
        lambda x: F.logsigmoid(x),
        lambda x: F.glu(x, 1),
        lambda x: F.softsign(x),
        lambda x: F.tanhshrink(x),
        lambda x: F.softmax(x, 1),
        lambda x: F.softmax(x, 0),
        lambda x: F.log_softmax(x, -1),
    ],
    "pools": [
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
        lambda x: F.max_pool2d(x, (2, 3)),
        lambda x: F.max_pool1d(x[0], 2),
        lambda x: F.avg_pool2d(x, 3, 2, 1),
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        lambda x: F.avg_pool2d(x, (3, 2), 2, 1, ceil_mode=True),
        lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
        lambda x: F.avg_pool2d(x[0], 2),
        lambda x: F.avg_pool1d(x[:, 0], 3, padding=1),
        lambda x: F.adaptive_avg_pool2d(x, 1),
        lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
        lambda x: F.adaptive_avg_pool2d(x, (1, 2)),
        lambda x: F.adaptive_avg_pool1d(x[0], 1),
        lambda x: F.adaptive_avg_pool1d(x[0], 2),
        lambda x: F.adaptive_max_pool2d(x, 1),
        lambda x: F.adaptive_max_pool1d(x[0], 4),
    ],
    "reductions": [
        lambda x: x.mean(),
        lambda x: x.mean((2, 3)),
        lambda x: x.sum(1, keepdim=True),
        lambda x: x.sum(),
        lambda x: x.amax((1, -1)),
        lambda x: x.amin(0),
        lambda x: x.max(),
        lambda x: x.min(),
        lambda x: x.max(1)[0],
        lambda x: x.max(1)[1],
        lambda x: x.min(-1, keepdim=True)[1],
        lambda x: x.argmax(1),
        lambda x: x.argmax(),
        lambda x: x.argmin(2, keepdim=True),
        lambda x: x.var(1),
        lambda x: x.std((2, 3), unbiased=False, keepdim=True),
        lambda x: x.var(),
        lambda x: torch.var_mean(x, 1)[0],
        lambda x: torch.linalg.vector_norm(x, dim=1),
        lambda x: torch.linalg.vector_norm(x, ord=1, dim=1),
        lambda x: torch.linalg.vector_norm(x, ord=float("inf"), dim=(1, 2)),
        lambda x: torch.cumsum(x, 1),
        lambda x: (x > 0).all(1),
        lambda x: (x > 2).any(1),
        lambda x: (x > 0).sum(dtype=torch.float32),
    ],
    "arithmetic": [
        lambda x: x + 2,
        lambda x: 2 - x,
        lambda x: x * 0.5 + x,
        lambda x: 1 / (x.abs() + 1),
        lambda x: torch.add(x, x, alpha=3),
        lambda x: torch.sub(x, 2 * x, alpha=0.5),
        lambda x: torch.rsub(x, 2 * x, alpha=2),
        lambda x: x**2,
        lambda x: x**3,
        lambda x: x**7,
        lambda x: x.abs() ** 0.5,
        lambda x: (x.abs() + 1) ** -2,
        lambda x: (x.abs() + 0.1) ** -0.5,
        lambda x: x.square().sqrt(),
        lambda x: (x.abs() + 0.1).rsqrt(),
        lambda x: x.exp(),
        lambda x: torch.expm1(x),
        lambda x: torch.log1p(x.abs()),
        lambda x: (x.abs() + 0.1).log(),
        lambda x: (-x).reciprocal(),
        lambda x: torch.minimum(x, -x),
        lambda x: torch.maximum(x, x * 2),
        lambda x: torch.max(x, x * 3),
        lambda x: x.round() + x.floor() + x.ceil(),
        lambda x: x.sin() + x.cos(),
        lambda x: torch.erf(x),
        lambda x: torch.sign(x),
        lambda x: x // 0.7,
        lambda x: x % 0.7,
        lambda x: torch.div(x, 0.3, rounding_mode="floor"),
        lambda x: torch.addcmul(x, x, x, value=0.5),
        lambda x: torch.addcdiv(x, x, x.abs() + 1, value=0.5),
    ],
    "choices": [
        lambda x: torch.where(x > 0, x, -1.0),
        lambda x: torch.where(x > x.mean(), x, x * 2),
        lambda x: x.masked_fill(x < 0, 5.0),
        lambda x: (x > 0) & (x < 1),
        lambda x: (x >= 0) | ~(x == 1),
        lambda x: torch.logical_and(x <= 0, x != 1),
        lambda x: (x > 0).float() * x,
        lambda x: (3 * x).to(torch.int32) + 2,
        lambda x: (3 * x).int() / 2,
        lambda x: (x > 0) + 1,
        lambda x: (x > 0) * x,
    ],
    "joining": [
        lambda x: torch.cat([x, x * 2], 1),
        lambda x: torch.stack([x, x * 2], 1),
        lambda x: torch.stack([x, x * 2], -1),
        lambda x: torch.cat(x.split(2, 1)[::-1], 1),
        lambda x: torch.cat(x.split([1, 3], 1)[::-1], 1),
        lambda x: torch.cat(x.chunk(3, 3)[::-1], 3),
        lambda x: torch.stack(x.unbind(2)[::-1], 0),
    ],
    "parts": [
        lambda x: x[:, 1:3] * 1,
        lambda x: x[..., ::2] * 1,
        lambda x: x[:, -1] * 1,
        lambda x: x.narrow(1, 1, 2) * 1,
        lambda x: x.flip(1, 2),
        lambda x: x.roll(2, 1),
        lambda x: x.roll((1, -1), (2, 3)),
        lambda x: x[:, [0, 2]],
        lambda x: x[:, :, [0, -1], [1, 2]],
        lambda x: x.index_select(1, torch.tensor([3, 0])),
        lambda x: torch.slice_scatter(x, x[:, :2] * 2, 1, 1, 3),
        lambda x: torch.select_scatter(x, x[:, 0] * 2, 1, -1),
    ],
    "shapes": [
        lambda x: x.unsqueeze(1) * 1,
        lambda x: x[:1].squeeze() * 1,
        lambda x: x[:1, :1].squeeze(1) * 1,
        lambda x: x[:1, :1].squeeze((0, 1)) * 1,
        lambda x: x.view(2, -1, 8) * 1,
        lambda x: x.reshape(-1) * 1,
        lambda x: x.flatten(1) * 1,
        lambda x: x.flatten(1, 2) * 1,
        lambda x: x.unflatten(1, (2, -1)) * 1,
        lambda x: x.permute(0, 2, 3, 1) * 1,
        lambda x: x.transpose(1, -1) * 1,
        lambda x: x.mT * 1,
        lambda x: x[0, 0].t() * 1,
        lambda x: x.movedim(1, -1) * 1,
        lambda x: x.movedim((0, 1), (2, 0)) * 1,
        lambda x: x + x[:1].expand(2, -1, -1, -1),
        lambda x: x.mean(1, keepdim=True).expand_as(x) * 1,
        lambda x: x.repeat(1, 2, 1, 1),
        lambda x: x[0].repeat(2, 1, 2, 1),
        lambda x: x.tile(2, 1),
        lambda x: x.repeat_interleave(2, 1),
        lambda x: F.dropout(x, 0.5, False) + x.contiguous().clone().detach(),
        lambda x: F.pixel_shuffle(x, 2),
        lambda x: F.pixel_unshuffle(x, 2),
    ],
    "borders": [
        lambda x: F.pad(x, (1, 2, 0, 1)),
        lambda x: F.pad(x, (1, 2), value=3.0),
        lambda x: F.pad(x, (-1, 2)),
        lambda x: F.pad(x, (1, 2, 2, 1), mode="reflect"),
        lambda x: F.pad(x[0], (1, 2), mode="reflect"),
        lambda x: F.pad(x, (1, 2, 2, 1), mode="replicate"),
        lambda x: F.pad(x[0], (1, 2), mode="replicate"),
    ],
    "resizes": [
        lambda x: F.interpolate(x, scale_factor=2),
        lambda x: F.interpolate(x, size=(3, 5)),
        lambda x: F.interpolate(x[0], scale_factor=2),
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
        lambda x: F.interpolate(x, size=(9, 5), mode="bilinear", align_corners=True),
        lambda x: F.interpolate(x, size=(12, 4), mode="bilinear"),
    ],
    "normalisations": [
        lambda x: F.batch_norm(x, torch.arange(4.0), torch.arange(4.0) + 1),
        lambda x: F.instance_norm(x[:1]),
        lambda x: F.group_norm(x, 2, torch.ones(4) * 2, torch.arange(4.0)),
        lambda x: F.group_norm(x, 4),
        lambda x: F.layer_norm(x, (6, 8)),
        lambda x: F.layer_norm(x, (8,), torch.arange(8.0), torch.ones(8)),
        lambda x: F.rms_norm(x, (8,)),
        lambda x: F.rms_norm(x, (6, 8), torch.ones(6, 8) * 2, 1e-3),
        lambda x: F.normalize(x, dim=1),
    ],
    "products": [
        lambda x: torch.matmul(x, x.mT),
        lambda x: x @ x.new_ones(8),
        lambda x: x[0, 0] @ torch.arange(24.0).reshape(8, 3),
        lambda x: x[0] @ torch.arange(24.0).reshape(8, 3),
        lambda x: x[0, 0, 0] @ x[0, 0, 1],
        lambda x: x[0, 0, 0] @ x[0, 0].mT,
        lambda x: torch.bmm(x[0], x[1].mT),
        lambda x: torch.addmm(x[0, 0] @ x[0, 0].mT, x[0, 1], x[0, 2].mT),
        lambda x: torch.addmm(torch.arange(3.0), x[0, 1], torch.arange(24.0).reshape(8, 3)),
        lambda x: torch.baddbmm(x[0] @ x[1].mT, x[0], x[1].mT, beta=0.5, alpha=2),
        lambda x: torch.einsum("nchw,nchv->ncwv", x, x),
        lambda x: F.scaled_dot_product_attention(x, 2 * x, x),
        lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
        lambda x: F.scaled_dot_product_attention(x, x, x, torch.ones(6, 6).tril() > 0, scale=0.3),
        lambda x: F.scaled_dot_product_attention(x, x, x, torch.arange(36.0).reshape(6, 6)),
    ],
    "constants": [
        lambda x: x + torch.arange(8),
        lambda x: x + torch.arange(1, 9, 1, dtype=torch.float32),
        lambda x: x * torch.tril(torch.ones(6, 8)),
        lambda x: torch.zeros_like(x) + torch.full((1,), 2.0) + x,
        lambda x: x.clone().fill_(2.0) + x,
        lambda x: x + x.new_full((1,), 3.0) + torch.ones_like(x),
        lambda x: F.embedding(torch.arange(5), torch.arange(20.0).view(5, 4)) + x[0, 0, :1, :4],
    ],
    "in place": [
        lambda x: F.relu_(x * 2) + x.mul(2).add_(1).sigmoid_(),
        lambda x: F.hardswish(x * 2, inplace=True) - F.silu(x + 1, inplace=True),
    ],
}


def _all(cases: list[Case]) -> Any:
    return module_of(lambda self, x: tuple(case(x) for case in cases))  # noqa: ARG005


@cache
def _program(group: str) -> Any:
    return exported(_all(GROUPS[group]), torch.ones(2, 4, 6, 8))


@cache
def _core_program(group: str) -> Any:
    return core(_program(group))


@pytest.mark.parametrize("form", ["exported", "core", "core .pt2"])
@pytest.mark.parametrize("group", GROUPS)
def test_a_group_of_operators(group: str, form: str) -> None:
    cases = GROUPS[group]
    torch.manual_seed(len(group))
    x = torch.randn(2, 4, 6, 8)
    wanted = answers(_all(cases), [x])
    program = _program(group) if form == "exported" else _core_program(group)
    graph = import_pt2(saved(program), "model.pt2") if "pt2" in form else import_exported(program)
    expect_answers(graph, [x], wanted, [f"case {i} of {group}" for i in range(len(cases))])


@pytest.mark.parametrize("group", ["rectifiers", "pools", "shapes", "joining", "arithmetic"])
def test_an_archive_gives_the_graph_of_its_program(group: str) -> None:
    """One set of converters serves both readers."""
    program = _program(group)
    with_digest = import_pt2(saved(program), "model.pt2")
    assert replace(with_digest, digest="") == import_exported(program)


def test_indices_as_input() -> None:
    module = module_of(lambda self, i: self.table(i), table=torch.nn.Embedding(5, 3))
    indices = torch.tensor([[1, 0, 4]])
    for program in (exported(module, indices), core(exported(module, indices))):
        graph = import_exported(program)
        assert graph.tensors[graph.inputs[0]].dtype.value == "int32"
        expect_answers(graph, [indices], answers(module, [indices]))


def _operators() -> set[str]:
    """What the groups' programs call, as exported and decomposed."""
    programs = [make(group) for group in GROUPS for make in (_program, _core_program)]
    return {
        str(node.target).split(".")[1].rstrip("_")
        for program in programs
        for node in program.graph.nodes
        if str(node.target).startswith("aten.")
    }


def test_every_converter_has_a_case() -> None:
    named = {op.split(".")[1] for op in CONVERTERS if op.startswith("aten.")}
    assert sorted(named - _operators() - ELSEWHERE) == []
