"""Device against interpreter, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from midge.driver.artifact import Artifact
from midge.driver.samples import Inputs, take_samples
from midge.errors import UserError
from midge.graph import Array, interpret
from midge.virtual_mcu import MemoryView, UnicornMachine


@dataclass(frozen=True)
class Difference:
    """The first value that differs.

    Attributes:
        sample: Index of the sample.
        layer: Name of the op.
        tensor: Name of its output.
        index: Of the first element that differs.
        device: What the device computed.
        interpreter: What the interpreter computed.
        count: How many elements of this tensor differ.
        size: Of how many.
    """

    sample: int
    layer: str
    tensor: str
    index: tuple[int, ...]
    device: int
    interpreter: int
    count: int
    size: int

    def __str__(self) -> str:
        return (
            f"sample {self.sample}, layer {self.layer}, tensor {self.tensor!r}, element "
            f"{list(self.index)}: device {self.device}, interpreter {self.interpreter}; "
            f"{self.count} of {self.size} elements of this tensor differ"
        )


@dataclass(frozen=True)
class Comparison:
    """What comparing showed.

    Attributes:
        layers: Number of layers compared.
        samples: Number of samples compared.
        difference: The first difference, in running order; None when every value is equal.
    """

    layers: int
    samples: int
    difference: Difference | None

    def __str__(self) -> str:
        if self.difference is not None:
            return f"differs: {self.difference}"
        samples = "1 sample" if self.samples == 1 else f"{self.samples} samples"
        return f"equal: {self.layers} layers, {samples}, every value"


def compare_layers(artifact: Artifact, inputs: Inputs | None = None) -> Comparison:
    """Stop the device after each layer and hold its output against the interpreter's.

    Args:
        artifact: A compiled network.
        inputs: As for `Artifact.run`.

    Raises:
        UserError: inputs do not fit, or the target's emulator cannot stop between layers.
    """
    graph = artifact.graph
    machine = artifact.open_machine()
    if not isinstance(machine, UnicornMachine):
        raise UserError(
            f"{artifact.settings.target.name}: layers are compared under Unicorn, which does "
            f"not have "
            "this core. Compare on another one: every core runs the same C"
        )
    given = take_samples(graph, inputs)
    running = [
        layer for layer, kernel in zip(artifact.layers, artifact.choice, strict=True) if kernel
    ]
    for number, sample in enumerate(given.samples):
        expected = interpret(graph, sample)
        found: list[Difference] = []

        def check(
            index: int,
            memory: MemoryView,
            number: int = number,
            expected: dict[str, Array] = expected,
            found: list[Difference] = found,
        ) -> None:
            layer = running[index]
            for tensor in layer.outputs:
                content = memory.read_arena(artifact.plan.offsets[tensor.name], tensor.size_bytes)
                device = np.frombuffer(content, tensor.dtype.numpy).reshape(tensor.shape)
                difference = _difference(device, np.asarray(expected[tensor.name]))
                if difference is not None and not found:
                    found.append(Difference(number, layer.op.name, tensor.name, *difference))

        machine.run_layers(artifact.to_bytes(sample), check)
        if found:
            return Comparison(len(running), number + 1, found[0])
    return Comparison(len(running), len(given.samples), None)


def _difference(
    device: Array, expected: Array
) -> tuple[tuple[int, ...], int, int, int, int] | None:
    unequal = np.argwhere(device != expected)
    if not len(unequal):
        return None
    index = tuple(int(i) for i in unequal[0])
    return index, int(device[index]), int(expected[index]), len(unequal), int(device.size)
