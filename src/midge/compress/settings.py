"""What may be chosen when a network is quantised, and what is taken where nothing is said.

The defaults are what left least noise on a convolutional network trained on scikit-learn's digits
(`tests/compress/test_against_onnxruntime.py`), in decibels of its outputs: `mse` 38.4, `minmax`
38.2, `percentile` 38.2 of 99.99 and 36.0 of 99.9 percent; without equalisation 38.2, without bias
correction 38.0. With int4 weights bias correction is worth 6 decibels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from midge.errors import UserError
from midge.graph import DType, Rounding

OBSERVERS = ("mse", "percentile", "minmax")
"""How a range is made of what a tensor held: see `midge.compress.observers`."""
WEIGHTS = {"int8": DType.INT8, "int4": DType.INT4}
ACTIVATIONS = {"int8": DType.INT8, "int16": DType.INT16}
ROUNDINGS = (Rounding.TFLITE_DOUBLE, Rounding.SINGLE)
"""Those that operators of int8 and int16 have; sums of int16 have one of their own."""


@dataclass(frozen=True, kw_only=True)
class QuantizeSettings:
    """How a float network becomes one of integers.

    Attributes:
        weights: ``int8``, or ``int4`` for fully connected layers and 1x1 convolutions, whose other
            layers then keep int8. One scale an output channel either way.
        activations: ``int8``, or ``int16``, for which sums have 64 bits.
        observer: ``mse``, ``percentile`` or ``minmax``: which range of a tensor has codes.
        percentile: Share of the elements within the range of the observer ``percentile``, in
            percent, over 50.
        equalization: Even out the ranges of a tensor's channels where the float network stays the
            same bit for bit.
        bias_correction: Take from the biases what quantisation adds to a channel's mean.
        rounding: How integers are rescaled: ``single`` takes the fewest instructions everywhere;
            operators that have it not take TFLite Micro's.
        keep_float: Names of operators that stay in float32.
        allow_float: Operators without an integer form stay in float32; an error otherwise.
        input_codes: Of inputs by name the scale and the zero point that they come with, say from a
            chain of integer filters; the others' are chosen from the calibration samples. What
            does not fit is refused by `annotate`.
    """

    weights: str = "int8"
    activations: str = "int8"
    observer: str = "mse"
    percentile: float = 99.99
    equalization: bool = True
    bias_correction: bool = True
    rounding: Rounding = Rounding.SINGLE
    keep_float: tuple[str, ...] = ()
    allow_float: bool = False
    input_codes: Mapping[str, tuple[float, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is none of the choices."""
        for name, value, choices in (
            ("weights", self.weights, tuple(WEIGHTS)),
            ("activations", self.activations, tuple(ACTIVATIONS)),
            ("observer", self.observer, OBSERVERS),
        ):
            if value not in choices:
                raise UserError(f"{name} {value!r} are none of: {', '.join(choices)}")
        if not 50 < self.percentile <= 100:
            raise UserError(f"percentile {self.percentile!r}; expected over 50 and up to 100")
        if self.rounding not in ROUNDINGS:
            names = ", ".join(r.value for r in ROUNDINGS)
            raise UserError(f"rounding {self.rounding.value}; supported here: {names}")
        low, high = (0, 0) if self.activations == "int16" else self.activation_type.limits
        for name, (scale, zero_point) in self.input_codes.items():
            if not (np.isfinite(np.float32(scale)) and np.float32(scale) > 0):
                raise UserError(f"input_codes: {name!r} has scale {scale!r}; expected over 0")
            if not low <= zero_point <= high:
                raise UserError(
                    f"input_codes: {name!r} has zero point {zero_point}; expected {low} to {high}"
                )

    @property
    def weight_type(self) -> DType:
        """Of the weights that may have it."""
        return WEIGHTS[self.weights]

    @property
    def activation_type(self) -> DType:
        """Of the activations."""
        return ACTIVATIONS[self.activations]
