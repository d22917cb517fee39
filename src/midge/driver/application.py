"""An application, compiled: chain and network as one program, fed sample by sample."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from midge.driver.application_cost import (
    ApplicationCost,
    ApplicationFlash,
    ApplicationRam,
    PushCost,
)
from midge.driver.application_cycles import stream_cycles
from midge.driver.application_stream import Stream
from midge.driver.artifact import Artifact
from midge.driver.main_path import compile_graph
from midge.errors import DoesNotFitError, UserError
from midge.signals import Application, Chain, Detections, Events, emit_application, emit_chain
from midge.signals.event_layout import BEAT, STATE
from midge.toolchain import Program, build, find_compiler
from midge.version import VERSION
from midge.virtual_mcu import Target, energy_uj, stack_bound
from midge.virtual_mcu import target as find_target
from midge.virtual_mcu.memory_model import Cycles
from midge.virtual_mcu.stream_machine import Fed, StreamMachine, merge_edges

STRETCH_SAMPLES = 8192
"""Samples over which the flash is simulated, for the ratio of waiting to computing."""


@dataclass(frozen=True)
class ApplicationRun:
    """What a device did with a record.

    Attributes:
        found: The beats.
        events: The same with what the network says; None for a chain alone.
        sent: What the uplink sent, segment by segment; empty without one.
        instructions: Of each sample's call, uint32 [n].
        cost: Everything that it cost.
    """

    found: Detections
    events: Events | None
    sent: bytes
    instructions: NDArray[np.uint32]
    cost: ApplicationCost


@dataclass(frozen=True)
class ApplicationArtifact:
    """A chain, with or without a network, compiled for a target.

    Attributes:
        chain: The chain.
        application: Chain and network; None for a chain alone.
        network: The network, compiled alone; None without one.
        files: The emitted C by name: what an application takes over.
        program: All of it with the harness.
        target: What it was compiled for.
    """

    chain: Chain
    application: Application | None
    network: Artifact | None
    files: dict[str, str]
    program: Program
    target: Target

    def run(self, samples: NDArray[np.int16]) -> ApplicationRun:
        """Feed a record to the emulated core, sample by sample.

        Args:
            samples: One lead, int16 [n], one sample at least; as `Chain.detect` takes it.

        Returns:
            the device's events, equal to the twin's, and what they cost.

        Raises:
            UserError: `samples` is not int16 [n], or empty.
        """
        fed = self.chain.with_tail(samples)
        if not fed.size:
            raise UserError(f"{self.chain.name}: a record without samples; give one at least")
        machine = self.open_machine()
        chunks, logs, states = [], [], []
        for start in range(0, fed.size, self.stream.samples):
            states.append(machine.save())
            part = fed[start : start + self.stream.samples]
            done = machine.feed(self.stream.chunk(part), part.size)
            log = self.stream.entries(done.output).copy()
            log["index"] += start
            logs.append(log)
            chunks.append(done)
        log = np.concatenate(logs)
        instructions = np.concatenate([chunk.instructions for chunk in chunks])
        found, events = self._read_log(log, samples.size)
        cost = self._cost(machine, fed, chunks, states, log, instructions)
        sent = b"".join(self.stream.sent(chunk.output) for chunk in chunks)
        return ApplicationRun(found, events, sent, instructions, cost)

    def open_machine(self) -> StreamMachine:
        """The virtual microcontroller with the program in its flash, at the start of a stream.

        Raises:
            UserError: Unicorn does not emulate the target.
        """
        return StreamMachine(self.program, per_sample=f"{self.chain.name}_push")

    @cached_property
    def stream(self) -> Stream:
        """How samples go in and events come out."""
        return Stream(self.chain, self.application)

    @cached_property
    def stack_bound_bytes(self) -> int | None:
        """Deepest stack of a call for one sample; None where it cannot be bounded."""
        return stack_bound(self.program, f"{self.chain.name}_push").bytes

    @property
    def flash(self) -> ApplicationFlash:
        """Flash, without the measurement's own functions."""
        own = sum(
            symbol.size
            for symbol in self.program.symbols
            if symbol.kind == "function" and symbol.name.startswith(f"{self.stream.name}_")
        )
        return ApplicationFlash(self.program.code_bytes - own, self.program.weights_bytes)

    def ram(self, stack_peak: int = 0) -> ApplicationRam:
        """RAM, with this use of the stack."""
        arena = self.network.plan.arena_bytes if self.network else 0
        return ApplicationRam(
            chain=self.program.state_bytes - arena,
            arena=arena,
            event=self.stream.entry_dtype["event"].itemsize,
            stack_peak=stack_peak,
            stack_bound=self.stack_bound_bytes,
        )

    def _read_log(self, log: NDArray[np.void], samples: int) -> tuple[Detections, Events | None]:
        beats = log[(log["what"] & BEAT) != 0]["event"]
        beats = beats[beats["position"] < samples]
        changes = log[((log["what"] & STATE) != 0) & (log["index"] < samples)]
        found = Detections(
            positions=beats["position"].astype(np.int64),
            windows=beats["window"].copy(),
            templates=None,
            features=beats["features"].astype(np.int16),
            codes=beats["codes"].copy(),
            quality=beats["quality"].copy(),
            decided_at=beats["decided_at"].astype(np.int64),
            quality_changes=np.stack(
                [changes["index"].astype(np.int64), changes["event"]["state"].astype(np.int64)],
                axis=1,
            ),
        )
        if self.application is None:
            return found, None
        return found, Events(
            found,
            scores=beats["scores"].copy(),
            label=beats["label"].copy(),
            margin=beats["margin"].astype(np.int16),
            suspicious=beats["suspicious"] != 0,
        )

    def _cost(
        self,
        machine: StreamMachine,
        fed: NDArray[np.int16],
        chunks: list[Fed],
        states: list[bytes],
        log: NDArray[np.void],
        instructions: NDArray[np.uint32],
    ) -> ApplicationCost:
        stack_peak = machine.stack_peak_bytes
        has_beat = np.zeros(fed.size, np.bool_)
        has_beat[log[(log["what"] & BEAT) != 0]["index"]] = True
        middle = len(states) // 2 * self.stream.samples
        stretches = [(middle, min(STRETCH_SAMPLES, fed.size - middle))]
        kinds = [np.flatnonzero(mask) for mask in (~has_beat, has_beat)]
        dearest = [int(at[instructions[at].argmax()]) if at.size else 0 for at in kinds]
        stretches += [(at, 1) for at in dearest]
        traced = [self._trace(machine, fed, states, *stretch) for stretch in stretches]
        edges = merge_edges(chunk.edges for chunk in chunks)
        counted = stream_cycles(self.program, self.target, edges, traced, f"{self.stream.name}_run")
        modelled = energy = None
        if counted is not None:
            sample = counted.stretches[0]
            if sample.modelled is not None:
                modelled = round(counted.total * (sample.modelled / sample.zero_wait))
            energy = energy_uj(self.target, Cycles(counted.total, modelled))
        pushes = []
        for number, at in enumerate(kinds):
            cycles = counted.stretches[1 + number] if counted and at.size else None
            pushes.append(
                PushCost(
                    calls=int(at.size),
                    mean=float(instructions[at].mean()) if at.size else 0.0,
                    largest=int(instructions[dearest[number]]) if at.size else 0,
                    largest_at=dearest[number],
                    cycles=cycles.zero_wait if cycles else None,
                    cycles_modelled=cycles.modelled if cycles else None,
                )
            )
        spent_uj = None if energy is None else energy[0] if energy[1] is None else energy[1]
        return ApplicationCost(
            samples=fed.size,
            instructions=int(instructions.sum(dtype=np.int64)),
            cycles=counted.total if counted else None,
            cycles_modelled=modelled,
            sample=pushes[0],
            beat=pushes[1],
            functions=counted.functions if counted else (),
            clock_hz=self.target.clock_hz,
            rate_hz=self.chain.rate_hz,
            energy_uj_per_second=None
            if spent_uj is None
            else spent_uj * self.chain.rate_hz / fed.size,
            ram=self.ram(stack_peak),
            flash=self.flash,
        )

    def _trace(
        self,
        machine: StreamMachine,
        fed: NDArray[np.int16],
        states: list[bytes],
        start: int,
        size: int,
    ) -> Fed:
        """A stretch of the record once more, with the board's flash."""
        chunk = start // self.stream.samples
        before = fed[chunk * self.stream.samples : start]
        machine.restore(states[chunk])
        if before.size:
            machine.feed(self.stream.chunk(before), before.size)
        part = fed[start : start + size]
        return machine.feed(self.stream.chunk(part), size, flash=self.target.flash)


def compile_application(
    application: Application | Chain,
    *,
    target: str = "cortex-m4",
    cc: str = "zig",
    optimisation: str = "-O2",
) -> ApplicationArtifact:
    """Compile a chain, with or without a network, for a core or a board.

    Args:
        application: From `Chain.with_network`, or a chain alone.
        target: A name that `midge targets` lists.
        cc: ``zig`` or ``gcc``.
        optimisation: Level of the C compiler.

    Raises:
        UserError: an option is at fault, or nothing here builds for the target.
        DoesNotFitError: the board is too small.
        ToolError: the C compiler is missing or fails.
    """
    wanted = find_target(target)
    chain = application if isinstance(application, Chain) else application.chain
    judged = None if isinstance(application, Chain) else application
    if not wanted.core.emulated:
        raise UserError(f"{wanted.name}: no compiler here builds for it; take another target")
    network = None
    if judged is None:
        files = emit_chain(chain, VERSION)
    else:
        network = compile_graph(judged.network, target=target, cc=cc, optimisation=optimisation)
        files = {**network.emitted.files, **emit_application(judged, VERSION)}
    stream = Stream(chain, judged)
    program = build(
        find_compiler(cc, wanted.core.name),
        {**files, **stream.files()},
        stream.interface,
        optimisation=optimisation,
    )
    artifact = ApplicationArtifact(chain, judged, network, files, program, wanted)
    _check_fits(artifact)
    return artifact


def _check_fits(artifact: ApplicationArtifact) -> None:
    target, ram, flash = artifact.target, artifact.ram(), artifact.flash
    for memory, needed, present in (
        ("RAM", ram.total, target.ram_bytes),
        ("flash", flash.total, target.flash_bytes),
    ):
        if present is not None and needed > present:
            raise DoesNotFitError(
                f"{artifact.chain.name} on {target.name}: {memory}: needs {needed} bytes, the "
                f"board has {present}; take a shorter window or history, or a smaller network"
            )
