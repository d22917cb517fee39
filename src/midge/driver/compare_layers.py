"""Device against interpreter, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from midge.c_emitter import lay_out_state
from midge.driver.artifact import Artifact
from midge.driver.samples import Inputs, take_samples
from midge.errors import UserError
from midge.graph import Array, Tensor, initial_state, interpret, state_after
from midge.virtual_mcu import MemoryView, UnicornMachine

FED_LAYERS = (
    "the layers of a network that is fed row by row do not run one after the other; compare it "
    "without --feed-rows: the kernels are the same"
)


@dataclass(frozen=True)
class Difference:
    """The first value that differs.

    Attributes:
        sample: Index of the sample.
        layer: Name of the op.
        tensor: Name of its output.
        index: Of the first element that differs.
        device: What the device computed; NaN equals NaN, 0.0 does not equal -0.0.
        interpreter: What the interpreter computed.
        count: How many elements of this tensor differ.
        size: Of how many.
    """

    sample: int
    layer: str
    tensor: str
    index: tuple[int, ...]
    device: float
    interpreter: float
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
    if artifact.settings.feed_rows:
        raise UserError(f"{graph.name}: {FED_LAYERS}")
    machine = artifact.open_machine()
    if not isinstance(machine, UnicornMachine):
        raise UserError(
            f"{artifact.settings.target.name}: layers are compared under Unicorn, which does "
            f"not have "
            "this core. Compare on another one: every core runs the same C"
        )
    given = take_samples(graph, inputs)
    places = lay_out_state(graph).offsets
    running = [
        layer
        for layer, symbol in zip(artifact.layers, artifact.emitted.layer_symbols, strict=True)
        if symbol is not None
    ]
    state = initial_state(graph)
    for number, sample in enumerate(given.samples):
        expected = interpret(graph, sample, state)
        state = state_after(graph, expected)
        found: list[Difference] = []

        def check(
            index: int,
            memory: MemoryView,
            number: int = number,
            expected: dict[str, Array] = expected,
            found: list[Difference] = found,
        ) -> None:
            layer = running[index]
            updated = (layer.input(i) for i in layer.op.attributes.updates())
            for tensor in (*layer.outputs, *updated):
                content = _content(artifact, places, memory, tensor)
                device = np.frombuffer(content, tensor.dtype.numpy).reshape(tensor.shape)
                difference = _difference(device, np.asarray(expected[tensor.name]))
                if difference is not None and not found:
                    found.append(Difference(number, layer.op.name, tensor.name, *difference))

        machine.run_layers(artifact.to_bytes(sample), check, first=number == 0)
        if found:
            return Comparison(len(running), number + 1, found[0])
    return Comparison(len(running), len(given.samples), None)


def _content(
    artifact: Artifact, places: dict[str, int], memory: MemoryView, tensor: Tensor
) -> bytes:
    if tensor.variable:
        start = places[tensor.name]
        return memory.read_state()[start : start + tensor.size_bytes]
    return memory.read_arena(artifact.plan.offsets[tensor.name], tensor.size_bytes)


def unequal_elements(device: Array, expected: Array) -> Array:
    """Where two arrays of one type differ in a bit, but for the payload of a NaN."""
    if device.dtype.kind != "f":
        return np.asarray(device != expected)
    bits = np.dtype(f"u{device.dtype.itemsize}")
    both_nan = np.isnan(device) & np.isnan(expected)
    return np.asarray((device.view(bits) != expected.view(bits)) & ~both_nan)


def _difference(
    device: Array, expected: Array
) -> tuple[tuple[int, ...], float, float, int, int] | None:
    unequal = np.argwhere(unequal_elements(device, np.ascontiguousarray(expected)))
    if not len(unequal):
        return None
    index = tuple(int(i) for i in unequal[0])
    return index, device[index].item(), expected[index].item(), len(unequal), int(device.size)
