"""Batch, group, instance and layer normalisation, as they are in evaluation mode."""

from __future__ import annotations

import math

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Tensor
from midge.graph.ops.add import Add
from midge.graph.ops.elementary_functions import Rsqrt, Square
from midge.graph.ops.layer_norm import LayerNorm
from midge.graph.ops.mul import Mul
from midge.graph.ops.reductions import Mean
from midge.importers.torch_ops.call import Call
from midge.importers.torch_ops.registry import Converted, converts


@converts("aten.batch_norm.default")
def batch_norm(call: Call) -> Tensor:
    """By the statistics that training has left."""
    if call.flag("training"):
        raise UnsupportedError(
            "normalises by the statistics of its input; export the module in evaluation mode, "
            "module.eval()"
        )
    return _by_statistics(call)


@converts("aten.instance_norm.default")
def instance_norm(call: Call) -> Tensor:
    """By the statistics of each sample's channels, or by those that training has left."""
    if not call.flag("use_input_stats"):
        return _by_statistics(call)
    for name in ("running_mean", "running_var"):
        call.has(name)
    x = call.tensor("input")
    return _group_norm(call, x.shape[1] if len(x.shape) > 2 else 0)


@converts("aten._native_batch_norm_legit_no_training.default")
def native_batch_norm(call: Call) -> Converted:
    """After decomposition; what it keeps for training is not there."""
    return _by_statistics(call), None, None


def _by_statistics(call: Call) -> Tensor:
    """``x * factor + offset``, computed in float64 and rounded once."""
    x = call.tensor("input")
    names = ("weight", "bias", "running_mean", "running_var")
    weight, bias, mean, variance = (
        call.known(n).astype(np.float64) if call.has(n) else None for n in names
    )
    epsilon = call.real("eps")
    if mean is None or variance is None or len(x.shape) < 2:
        raise UserError(f"normalises {x.name}{list(x.shape)} without statistics of its channels")
    channels = x.shape[1]
    shape = (channels, *(1 for _ in x.shape[2:]))
    for values in (weight, bias, mean, variance):
        if values is not None and values.shape != (channels,):
            raise UserError(f"has {list(values.shape)} numbers for {channels} channels")
    with np.errstate(all="ignore"):
        factor = 1.0 / np.sqrt(variance + epsilon)
        factor = factor if weight is None else factor * weight
        offset = (0.0 if bias is None else bias) - mean * factor
        scales, offsets = (v.astype(np.float32).reshape(shape) for v in (factor, offset))
    scaled = call.emit(Mul(), x, call.vector(scales, "factor"), suffix="scale")
    return call.emit(Add(), scaled, call.vector(offsets, "offset"))


@converts("aten.layer_norm.default")
def layer_norm(call: Call) -> Tensor:
    """Over the last dimensions."""
    return _layer_norm(call)


@converts("aten.native_layer_norm.default")
def native_layer_norm(call: Call) -> Converted:
    """After decomposition; mean and deviation are not there."""
    return _layer_norm(call), None, None


def _layer_norm(call: Call) -> Tensor:
    x = call.tensor("input")
    normalized = call.integers("normalized_shape")
    if not normalized or x.shape[-len(normalized) :] != normalized:
        raise UserError(f"normalises {list(normalized)} of {x.name}{list(x.shape)}")
    count = math.prod(normalized)
    flat = call.reshaped(x, (*x.shape[: -len(normalized)], count))
    weight, bias = call.optional("weight"), call.optional("bias")
    if len(normalized) > 1:
        weight, bias = (None if t is None else call.reshaped(t, (count,)) for t in (weight, bias))
    y = _normalized(call, flat, weight, bias, call.real("eps", 1e-5))
    return call.reshaped(y, x.shape)


def _normalized(
    call: Call, x: Tensor, weight: Tensor | None, bias: Tensor | None, epsilon: float
) -> Tensor:
    """Rows brought to mean 0 and deviation 1."""
    weight, bias = (None if t is None else call.settled(t) for t in (weight, bias))
    return call.emit(LayerNorm(epsilon=float(np.float32(epsilon))), x, weight, bias)


@converts("aten.rms_norm.default")
def rms_norm(call: Call) -> Tensor:
    """``x / sqrt(mean(x**2) + eps) * weight`` over the last dimensions."""
    x, normalized = call.tensor("input"), call.integers("normalized_shape")
    if not normalized or x.shape[-len(normalized) :] != normalized:
        raise UserError(f"normalises {list(normalized)} of {x.name}{list(x.shape)}")
    rank = len(x.shape)
    axes = tuple(range(rank - len(normalized), rank))
    epsilon = call.real("eps", float(np.finfo(np.float32).eps))
    mean = Mean(axes=axes, keep_dims=True)
    power = call.emit(mean, call.emit(Square(), x, suffix="square"), suffix="power")
    factor = call.emit(Add(), power, call.number(epsilon, x, "eps"), suffix="stable")
    y = call.emit(Mul(), x, call.emit(Rsqrt(), factor, suffix="factor"), suffix="normal")
    return call.emit(Mul(), y, call.tensor("weight")) if call.has("weight") else y


@converts("aten._native_batch_norm_legit.no_stats")
def batch_statistics(call: Call) -> Converted:
    """What instance normalisation becomes: the samples stand among the channels."""
    if not call.flag("training"):
        raise UserError("has no statistics")
    x = call.tensor("input")
    if len(x.shape) < 3 or x.shape[0] != 1:
        raise UnsupportedError("normalises by the statistics of a batch; export in evaluation mode")
    return _group_norm(call, x.shape[1]), None, None


@converts("aten.group_norm.default")
def group_norm(call: Call) -> Tensor:
    """Groups of channels, each with all its pixels, are rows."""
    return _group_norm(call, call.integer("num_groups"))


@converts("aten.native_group_norm.default")
def native_group_norm(call: Call) -> Converted:
    """After decomposition; mean and deviation are not there."""
    for name in ("N", "C", "HxW"):
        call.integer(name)
    return _group_norm(call, call.integer("group")), None, None


def _group_norm(call: Call, groups: int) -> Tensor:
    x = call.tensor("input")
    if len(x.shape) < 2 or groups < 1 or x.shape[1] % groups:
        raise UserError(f"{groups} groups do not divide the channels of {x.name}{list(x.shape)}")
    rows = call.reshaped(x, (x.shape[0], groups, math.prod(x.shape[1:]) // groups))
    y = call.reshaped(_normalized(call, rows, None, None, call.real("eps", 1e-5)), x.shape)
    shape = (x.shape[1], *(1 for _ in x.shape[2:]))
    for name, kind in (("weight", Mul()), ("bias", Add())):
        if call.has(name):
            y = call.emit(kind, y, call.reshaped(call.tensor(name), shape), suffix=name)
    return y
