"""Small graphs for the tests of this room."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from midge.errors import UserError
from midge.graph import Array, Attributes, DType, Graph, Op, Quantization, Tensor


def per_tensor(scale: float = 0.5, zero_point: int = 0) -> Quantization:
    return Quantization.per_tensor(scale, zero_point)


def per_channel(scales: Sequence[float], axis: int) -> Quantization:
    return Quantization(np.array(scales, np.float32), np.zeros(len(scales), np.int64), axis)


def int8(
    name: str,
    *shape: int,
    scale: float = 0.5,
    zero_point: int = 0,
    data: npt.ArrayLike | None = None,
) -> Tensor:
    """An int8 tensor with one scale; `data` of any shape is brought to the tensor's."""
    held = None if data is None else np.broadcast_to(np.asarray(data, np.int8), shape)
    return Tensor(name, shape, DType.INT8, per_tensor(scale, zero_point), held)


def weights(name: str, *shape: int, seed: int = 0, scale: float = 0.25) -> Tensor:
    rng = np.random.default_rng(seed)
    return int8(name, *shape, scale=scale, data=rng.integers(-127, 128, shape))


def int32(name: str, values: npt.ArrayLike) -> Tensor:
    data = np.asarray(values, np.int32)
    return Tensor(name, data.shape, DType.INT32, None, data)


def plain(name: str, *shape: int, dtype: DType = DType.INT8) -> Tensor:
    """A tensor without quantisation."""
    return Tensor(name, shape, dtype)


def one_op(attributes: Attributes, inputs: Sequence[Tensor | None], *outputs: Tensor) -> Graph:
    """A graph of one operator; what is not a constant is an input of the graph."""
    there = [t for t in inputs if t is not None]
    op = Op(
        f"the_{attributes.kind}",
        attributes,
        tuple(t.name if t else "" for t in inputs),
        tuple(t.name for t in outputs),
    )
    return Graph(
        name="g",
        tensors={t.name: t for t in (*there, *outputs)},
        ops=(op,),
        inputs=tuple(dict.fromkeys(t.name for t in there if not t.is_constant)),
        outputs=tuple(t.name for t in outputs),
    )


def random_int8(shape: Sequence[int], seed: int) -> Array:
    """Random values, the ends of the range among them."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-128, 128, tuple(shape), np.int8)
    flat = values.reshape(-1)
    flat[rng.integers(0, flat.size)] = -128
    flat[rng.integers(0, flat.size)] = 127
    return values


def refuses(message: str) -> contextlib.AbstractContextManager[pytest.ExceptionInfo[UserError]]:
    """The block ends in a UserError whose message contains this."""
    return pytest.raises(UserError, match=re.escape(message))
