"""A made network together with what a test needs to run it and to say which one failed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from midge.synthetic.model_description import ModelDescription
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

    def sample_inputs(self, seed: int) -> list[NDArray[np.int8]]:
        """Return one int8 array per network input, in order.

        The seed modulo 5 chooses uniform noise over all codes, a bell around the zero point, noise
        of the two end codes, noise within 3 of the zero point, or one code throughout.
        """
        rng = np.random.default_rng(seed)
        arrays = []
        for name in self.model.inputs:
            tensor = self.model.tensor(name)
            assert tensor.quantization is not None
            zero_point = tensor.quantization.zero_point
            codes = (
                rng.integers(-128, 128, tensor.shape),
                zero_point + np.rint(rng.normal(0, 35, tensor.shape)),
                rng.choice(np.array([-128, 127]), tensor.shape),
                zero_point + rng.integers(-3, 4, tensor.shape),
                np.full(tensor.shape, rng.integers(-128, 128)),
            )[seed % 5]
            arrays.append(np.clip(codes, -128, 127).astype(np.int8))
        return arrays
