"""The numbers of layers with weights: ordinary ones, and those at the ends of what is defined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midge.synthetic.calibration import COVERING, Calibration
from midge.synthetic.model_description import Quantization
from midge.synthetic.weighted_layers import Constants, Layer

_SIGMA = {"int8": 74.0, "int16": 18900.0}
"""Standard deviation of uniform codes."""
_INPUT = {
    "int8": Quantization((0.0471,), (-3,)),
    "int16": Quantization((0.000183,), (0,)),
    "float32": None,
}


@dataclass(frozen=True)
class Numbers:
    """What a layer computes with.

    Attributes:
        input: Quantisation of its input; None takes an ordinary one.
        weights: Their type: ``"int8"``, ``"int4"`` or ``"float32"``.
        spread: ``"bell"``, ``"ends"`` of the type, or ``"tiny"`` (-1, 0, 1).
        per_tensor: One scale for all weights.
        zero_point: Of the weights, per tensor.
        bias: Its type, or how it is left out: ``"none"``, ``"listed"``, ``"empty"``.
        bias_reach: Largest bias; None takes that of the sums.
        output: The output's calibration, where there is no multiplier.
        multiplier: Scale of the sums over the output's.
        output_zero: The output's zero point, where there is a multiplier.
        computed: Weights and bias are inputs.
    """

    input: Quantization | None = None
    weights: str = "int8"
    spread: str = "bell"
    per_tensor: bool = False
    zero_point: int = 0
    bias: str = "int32"
    bias_reach: float | None = None
    output: Calibration = COVERING
    multiplier: float | None = None
    output_zero: int = 0
    computed: bool = False

    def input_of(self, dtype: str) -> Quantization | None:
        """Quantisation of the layer's input of this type."""
        return self.input or _INPUT[dtype]

    def draw(
        self, rng: np.random.Generator, layer: Layer, dtype: str
    ) -> tuple[Constants, Calibration | Quantization]:
        """The layer's constants for an input of this type, and how its output is quantised."""
        absent = {"none": "", "listed": "listed", "empty": "empty"}.get(self.bias)
        if dtype == "float32":
            return self._draw_float(rng, layer, absent), self.output
        values = self._codes(rng, layer.weights)
        deviation = max(float((values - float(self.zero_point)).std()), 0.5)
        sigma = _SIGMA[dtype] * np.sqrt(layer.terms) * deviation
        quantization = self.input_of(dtype)
        assert quantization is not None
        middle = 2 / (quantization.scale * sigma)
        spread = np.zeros(1) if self.per_tensor else np.linspace(-0.7, 0.7, layer.channels)
        scales = tuple(float(np.float32(s)) for s in middle * np.exp(spread))
        bias = None
        if absent is None:
            reach = sigma if self.bias_reach is None else self.bias_reach
            bias = rng.uniform(-reach, reach, layer.channels).astype(self.bias)
        constants = Constants(values, self.weights, scales, self.zero_point, bias, absent or "")
        if self.multiplier is None:
            return constants, self.output
        scale = quantization.scale * scales[0] / self.multiplier
        return constants, Quantization((scale,), (self.output_zero,))

    def _codes(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
        low, high = (-8, 7) if self.weights == "int4" else (-128, 127)
        drawn = {
            "bell": rng.normal(0, high / 3, shape),
            "ends": rng.choice(np.array([low, high]), shape),
            "tiny": rng.integers(-1, 2, shape),
        }[self.spread]
        codes: NDArray[np.int8] = np.rint(np.clip(drawn + self.zero_point, low, high)).astype(
            "int8"
        )
        return codes

    def _draw_float(self, rng: np.random.Generator, layer: Layer, absent: str | None) -> Constants:
        weights = rng.normal(0, 1 / np.sqrt(layer.terms), layer.weights)
        bias = None
        if absent is None:
            reach = 1.0 if self.bias_reach is None else self.bias_reach
            bias = rng.uniform(-reach, reach, layer.channels).astype(np.float32)
            bias[0] = -0.0
        return Constants(
            weights.astype(np.float32),
            "float32",
            bias=bias,
            absent=absent or "",
            computed=self.computed,
        )
