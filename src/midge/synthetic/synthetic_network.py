"""A made network together with what a test needs to run it and to say which one failed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.synthetic.model_description import ModelDescription, Operator, Tensor
from midge.synthetic.steps import NOT_IN_TFLM
from midge.synthetic.tflite_writer import write_tflite


@dataclass(frozen=True, eq=False)
class SyntheticNetwork:
    """A network made by this room.

    Attributes:
        name: What made it, such that it can be made again: ``random_network(17, ...)`` or the name
            of a single-operator case.
        model: The network as plain data.
    """

    name: str
    model: ModelDescription

    @cached_property
    def model_bytes(self) -> bytes:
        """The .tflite file."""
        return write_tflite(self.model)

    @property
    def description(self) -> str:
        """The name and one line per operator, for a failing test to print."""
        return f"{self.name}\n{self.model.listing()}"

    @property
    def is_taken_by_tflm(self) -> bool:
        """Whether TFLite Micro has all its operators for their types."""
        ops = {(op.op, self._first_type(op)) for op in self.model.operators}
        return not ops & NOT_IN_TFLM

    @property
    def has_floats(self) -> bool:
        """Whether a tensor is float32: other runtimes then agree within bounds alone."""
        return any(tensor.dtype == "float32" for tensor in self.model.tensors)

    def _first_type(self, op: Operator) -> str:
        first = next((name for name in op.inputs if name is not None), None)
        return "" if first is None else self.model.tensor(first).dtype

    def sample_inputs(self, seed: int) -> list[NDArray[Any]]:
        """Return one array per network input, in order.

        The seed modulo 5 chooses uniform noise over all codes, a bell around the zero point, noise
        of the two end codes, noise within 3 of the zero point, or one code throughout; for floats
        noise of order 1, of order 100, of many magnitudes with both zeros, of small integers, or
        one number throughout.
        """
        rng = np.random.default_rng(seed)
        return [_sample(rng, self.model.tensor(name), seed % 5) for name in self.model.inputs]


def _sample(rng: np.random.Generator, tensor: Tensor, style: int) -> NDArray[Any]:
    if tensor.dtype == "float32":
        return _float_sample(rng, tensor.shape, style)
    if tensor.dtype == "bool":
        chance = (0.5, 0.5, 0.9, 0.1, float(rng.integers(0, 2)))[style]
        return rng.random(tensor.shape) < chance
    info = np.iinfo(tensor.dtype)
    low, high = int(info.min), int(info.max)
    if tensor.quantization is None and tensor.dtype in ("int32", "int64"):
        low, high = -1000, 1000
    zero_point = 0 if tensor.quantization is None else tensor.quantization.zero_point
    codes = (
        rng.integers(low, high + 1, tensor.shape),
        zero_point + np.rint(rng.normal(0, 0.14 * (high - low), tensor.shape)),
        rng.choice(np.array([low, high]), tensor.shape),
        zero_point + rng.integers(-3, 4, tensor.shape),
        np.full(tensor.shape, rng.integers(low, high + 1)),
    )[style]
    return np.clip(codes, low, high).astype(tensor.dtype)


def _float_sample(
    rng: np.random.Generator, shape: tuple[int, ...], style: int
) -> NDArray[np.float32]:
    bell = rng.standard_normal(shape)
    values = (
        bell,
        100 * bell,
        np.sign(bell) * 10.0 ** rng.integers(-30, 10, shape) * rng.integers(0, 2, shape),
        np.rint(2 * bell),
        np.full(shape, rng.standard_normal()),
    )[style]
    return np.asarray(values, np.float32)
