"""What a run on the virtual microcontroller shows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from midge.driver.samples import Inputs
from midge.driver.software_float import SoftwareFloat
from midge.graph import Array

Pair = tuple[float, float | None]


@dataclass(frozen=True)
class LayerCost:
    """One emitted kernel in one inference.

    Attributes:
        name: The operator's name.
        op: Its kind.
        shape: Of its first output; of its input where it has none.
        kernel: The C function.
        variant: Which of the operator's kernels it is.
        instructions: Issued.
        cycles: With memory that answers at once; None without a cycle model.
        cycles_modelled: With the board's flash, as `cycles` on a bare core; None without a model.
        macs: Multiply-accumulates.
        scratch_bytes: Arena bytes that the kernel alone uses.
        code_bytes: Of its function.
        weights_bytes: Of its constants.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    kernel: str
    variant: str
    instructions: int
    cycles: int | None
    cycles_modelled: int | None
    macs: int
    scratch_bytes: int
    code_bytes: int
    weights_bytes: int


@dataclass(frozen=True)
class RamBytes:
    """RAM of an inference.

    Attributes:
        arena: Tensors and scratch.
        state: What outlives a run.
        static: The model's own variables.
        stack_peak: Deepest use of the stack, found by painting.
        stack_bound: Deepest possible use, from the machine code; None where it cannot be bounded.
    """

    arena: int
    state: int
    static: int
    stack_peak: int
    stack_bound: int | None

    @property
    def total(self) -> int:
        """All of it, with the stack as painted."""
        return self.arena + self.state + self.static + self.stack_peak


@dataclass(frozen=True)
class FlashBytes:
    """Flash of a network.

    Attributes:
        code: Instructions, with every library routine they need.
        weights: Everything constant.
    """

    code: int
    weights: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.code + self.weights


@dataclass(frozen=True)
class RunResult:
    """Outputs, and what one inference costs: the median of the batch, exactly repeatable.

    Attributes:
        outputs: In the form of the inputs: an array or arrays by name, batched or not.
        target: Where it ran.
        emulator: What ran it.
        compiler: What built it.
        samples: Number of inferences.
        instructions: Issued.
        cycles: With memory that answers at once; None without a cycle model.
        cycles_modelled: With the board's flash, as `cycles` on a bare core; None without a model.
        macs: Multiply-accumulates.
        ram_bytes: RAM.
        flash_bytes: Flash.
        latency_ms: Milliseconds, (zero wait, modelled); None on a bare core.
        energy_uj: Microjoules, (zero wait, modelled); None where no figure is published.
        layers: One row for each emitted kernel, in running order.
        software_float: What float32 cost in routines; None where none was needed.
    """

    outputs: Inputs
    target: str
    emulator: str
    compiler: str
    samples: int
    instructions: int
    cycles: int | None
    cycles_modelled: int | None
    macs: int
    ram_bytes: RamBytes
    flash_bytes: FlashBytes
    latency_ms: Pair | None
    energy_uj: Pair | None
    layers: tuple[LayerCost, ...]
    software_float: SoftwareFloat | None = None

    def to_json(self) -> dict[str, Any]:
        """The contents of ``run.json``."""
        return {"outputs": _listed(self.outputs)} | self.costs()

    def costs(self) -> dict[str, Any]:
        """The contents of ``run.json`` but the outputs."""
        ram, flash = self.ram_bytes, self.flash_bytes
        return {
            "target": self.target,
            "emulator": self.emulator,
            "compiler": self.compiler,
            "samples": self.samples,
            "instructions": self.instructions,
            "cycles": self.cycles,
            "cycles_modelled": self.cycles_modelled,
            "macs": self.macs,
            "ram_bytes": {
                "arena": ram.arena,
                "state": ram.state,
                "static": ram.static,
                "stack_peak": ram.stack_peak,
                "stack_bound": ram.stack_bound,
                "total": ram.total,
            },
            "flash_bytes": {"code": flash.code, "weights": flash.weights, "total": flash.total},
            "latency_ms": _pair(self.latency_ms),
            "energy_uj": _pair(self.energy_uj),
            "software_float": asdict(self.software_float) if self.software_float else None,
            "layers": [
                {
                    "name": layer.name,
                    "op": layer.op,
                    "shape": list(layer.shape),
                    "kernel": layer.kernel,
                    "variant": layer.variant,
                    "instructions": layer.instructions,
                    "cycles": layer.cycles,
                    "cycles_modelled": layer.cycles_modelled,
                    "macs": layer.macs,
                    "scratch_bytes": layer.scratch_bytes,
                    "code_bytes": layer.code_bytes,
                    "weights_bytes": layer.weights_bytes,
                }
                for layer in self.layers
            ],
        }


def _pair(pair: Pair | None) -> list[float | None] | None:
    return None if pair is None else [None if v is None else round(v, 6) for v in pair]


def _listed(outputs: Inputs) -> Any:
    if isinstance(outputs, np.ndarray):
        return outputs.tolist()
    named: dict[str, Array] = dict(outputs)
    return {name: np.asarray(value).tolist() for name, value in named.items()}
