"""A compiled network: the emitted C, the program, and what it does on a virtual device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from midge.c_emitter import Choice, Emitted, Layer, layers_of
from midge.c_emitter.streaming import Group
from midge.driver.run_result import FlashBytes, LayerCost, RamBytes, RunResult
from midge.driver.samples import Inputs, take_samples
from midge.driver.selected import Selection
from midge.driver.settings import Settings
from midge.driver.software_float import software_float
from midge.errors import UserError
from midge.graph import Array, Graph
from midge.memory_plan import Plan
from midge.toolchain import Program
from midge.virtual_mcu import (
    Cycles,
    Machine,
    Trace,
    energy_uj,
    latency_ms,
    layer_cycles,
    open_machine,
    stack_bound,
    total_cycles,
)


@dataclass(frozen=True)
class Artifact:
    """A network compiled for a target.

    Attributes:
        graph: As it runs: rewritten, in running order.
        choice: A kernel for each op.
        plan: Where everything stands in the arena.
        emitted: The C.
        program: The C, built and linked; None for a target that no compiler here knows.
        settings: What was asked for.
        selection: How the kernels were chosen; None where they were chosen by rule.
        groups: Ops that run row by row, by their places in the graph.
    """

    graph: Graph
    choice: Choice
    plan: Plan
    emitted: Emitted
    program: Program | None
    settings: Settings
    selection: Selection | None = None
    groups: tuple[Group, ...] = ()

    def run(self, inputs: Inputs | None = None, *, emulator: str | None = None) -> RunResult:
        """Run on the virtual microcontroller.

        Args:
            inputs: One sample or a batch along axis 0; arrays by name for several inputs. The
                samples of a batch are one stream: variables go on from one to the next. None runs
                one sample of seeded random values.
            emulator: ``unicorn`` or ``qemu``; None takes the first that has the core.

        Raises:
            UserError: inputs do not fit, or nothing here emulates the target.
            ToolError: the emulator is missing.
        """
        given = take_samples(self.graph, inputs)
        emulator = emulator or self.default_emulator
        machine = self.open_machine(emulator)
        samples = [self.to_bytes(sample) for sample in given.samples]
        inferences = machine.run(samples)
        # Every sample is counted; the layers of the median one are then looked at.
        ranked = sorted(range(len(samples)), key=lambda i: (inferences[i].instructions, i))
        median = ranked[(len(ranked) - 1) // 2]
        target = self.settings.target
        before = samples[:median] if self.graph.variables else ()
        _, trace = machine.trace(samples[median], before=before, flash=target.flash)
        by_layer = layer_cycles(target, trace, machine.program.read)
        cycles = total_cycles(by_layer)
        peak = max(inference.stack_peak_bytes for inference in inferences)
        return RunResult(
            outputs=given.pack(self.graph, [self.from_bytes(i.outputs) for i in inferences]),
            target=target.name,
            emulator=emulator,
            compiler=machine.program.compiler,
            samples=len(samples),
            instructions=trace.instructions,
            cycles=cycles.zero_wait if cycles else None,
            cycles_modelled=cycles.modelled if cycles else None,
            macs=self.graph.macs(),
            ram_bytes=self.ram_bytes(peak),
            flash_bytes=self.flash_bytes,
            latency_ms=latency_ms(target, cycles),
            energy_uj=energy_uj(target, cycles),
            layers=self._layer_costs(trace, by_layer or {}),
            software_float=software_float(machine.program, trace, target.core.family),
        )

    def layer_costs(self) -> dict[str, int]:
        """Cycles of each op on one random sample, by name; instructions without a cycle model."""
        result = self.run()
        costs = {op.name: 0 for op in self.graph.ops}
        for layer in result.layers:
            cost = layer.cycles_modelled or layer.cycles or layer.instructions
            costs[layer.name] = cost or 0
        return costs

    @property
    def default_emulator(self) -> str:
        """The first emulator that has the target's core.

        Raises:
            UserError: none has.
        """
        core = self.settings.target.core
        if self.program is None or not core.emulators:
            raise UserError(
                f"{self.settings.target.name}: nothing here emulates a {core.title}; the C is "
                "emitted, with portable kernels. Run it for another target, or on the board"
            )
        return core.emulators[0]

    def open_machine(self, emulator: str | None = None) -> Machine:
        """The virtual microcontroller with the program in its flash.

        Raises:
            UserError: nothing here emulates the target, or not this emulator.
            ToolError: the emulator is missing.
        """
        emulator = emulator or self.default_emulator
        return open_machine(self.built, emulator=emulator)

    @property
    def built(self) -> Program:
        """The program.

        Raises:
            UserError: no compiler here knows the target.
        """
        if self.program is None:
            raise UserError(f"{self.settings.target.name}: no compiler here builds for it")
        return self.program

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The ops with their tensors."""
        return layers_of(self.graph)

    @cached_property
    def stack_bound_bytes(self) -> int | None:
        """Deepest possible use of the stack; None where it cannot be bounded."""
        return stack_bound(self.built, f"{self.built.interface.name}_run").bytes

    def to_bytes(self, sample: dict[str, Array]) -> tuple[bytes, ...]:
        """Input arrays as the device holds them."""
        return tuple(np.ascontiguousarray(sample[n]).tobytes() for n in self.graph.inputs)

    def from_bytes(self, outputs: tuple[bytes, ...]) -> dict[str, Array]:
        """Output arrays out of the device's bytes."""
        tensors = [self.graph.tensors[n] for n in self.graph.outputs]
        return {
            t.name: np.frombuffer(content, t.dtype.numpy).reshape(t.shape)
            for t, content in zip(tensors, outputs, strict=True)
        }

    def ram_bytes(self, stack_peak: int) -> RamBytes:
        """RAM with this use of the stack."""
        return RamBytes(
            arena=self.plan.arena_bytes,
            state=self.built.state_bytes,
            static=self.built.static_bytes,
            stack_peak=stack_peak,
            stack_bound=self.stack_bound_bytes,
        )

    @property
    def flash_bytes(self) -> FlashBytes:
        """Flash of code and constants."""
        return FlashBytes(self.built.code_bytes, self.built.weights_bytes)

    def weights_of(self, symbol: str) -> int:
        """Bytes of the constants that belong to a layer's function."""
        objects = (s for s in self.built.symbols if s.kind == "object")
        return sum(s.size for s in objects if s.name.startswith(f"{symbol}_"))

    def _layer_costs(self, trace: Trace, cycles: dict[int, Cycles]) -> tuple[LayerCost, ...]:
        """A row for each function; none where a network is fed, whose layers are not told apart."""
        rows: list[LayerCost] = []
        scratch = {slot.step: slot.scratch_bytes for slot in self.plan.live}
        groups = {group.last: group for group in self.groups}
        for layer, kernel, symbol in zip(
            self.layers, self.choice, self.emitted.layer_symbols, strict=True
        ):
            if kernel is None or symbol is None or symbol not in trace.layers:
                continue
            number = len(rows)
            spent = cycles.get(number)
            group = groups.get(layer.index)
            members = self.layers[group.first : group.last + 1] if group else (layer,)
            rows.append(
                LayerCost(
                    name=layer.op.name,
                    op=layer.op.kind,
                    shape=(*layer.outputs, layer.input(0))[0].shape,
                    kernel=symbol if group else kernel.function,
                    variant=f"rows from {members[0].op.name}" if group else kernel.variant,
                    instructions=trace.layer_instructions[number],
                    cycles=spent.zero_wait if spent else None,
                    cycles_modelled=spent.modelled if spent else None,
                    macs=sum(m.op.attributes.macs(m.inputs, m.outputs) for m in members),
                    scratch_bytes=scratch.get(layer.op.name, kernel.scratch_bytes(layer)),
                    code_bytes=self.built.layer_code_bytes[symbol],
                    weights_bytes=self.weights_of(symbol),
                )
            )
        return tuple(rows)
