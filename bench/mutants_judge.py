"""Who judges a mutant: every network that its kernel computes, against the NumPy interpreter.

A trial is one kernel with one rounding: all single-operator networks and extreme layers that it
computes, side by side in one library; where they are many, a few of them come first. Operators that
``.tflite`` files do not have come in trials of their own, as the tests' graphs have them. Portable
kernels run on the host, where the compiler's sanitizer traps what is undefined; kernels that need a
core's instructions are emulated.

Kernels are functions here and are not inlined into their layers, which makes a build ten times as
fast and changes no meaning.
"""

from __future__ import annotations

import hashlib
import json
import re
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bench import mutants_runner
from bench.mlperf_tiny import REPOSITORY
from midge import MidgeError, ToolError, UserError, processes
from midge.c_emitter import KERNELS, Choice, Kernel, emit_c, planning_problem
from midge.c_emitter.amalgamate import kernel_text
from midge.c_emitter.choose import candidates
from midge.graph import Graph, Rounding, interpret, outputs_of, state_after, verify
from midge.memory_plan import Plan, Problem, plan_memory
from midge.synthetic import SyntheticNetwork, single_op_networks
from midge.toolchain import ModelInterface, build, build_host_library, find_compiler
from midge.version import VERSION
from midge.virtual_mcu import CORES
from midge.virtual_mcu.unicorn_machine import UnicornMachine

# What the tests run is what has to notice.
sys.path.insert(0, str(REPOSITORY / "tests"))
sys.path.insert(0, str(REPOSITORY / "tests" / "c_emitter"))

from extreme_layers import OPERATORS as WITH_EXTREMES
from extreme_layers import extreme_layers

from support.framework_layers import every_case, join_layers, joined_sample
from support.networks import imported, join

Array = NDArray[np.generic]
_Made = TypeVar("_Made")

SAMPLE_SEEDS = range(5)
"""One sample of each kind that `SyntheticNetwork.sample_inputs` makes."""

SURVIVED = "survived"
FAILED_TEST = "fails a unit test"
NOT_JUDGED = "explained, not judged"
LEFT = "not judged yet"
VERDICTS = (
    *("does not build", "other outputs", "writes elsewhere", "crashes", "hangs"),
    *(FAILED_TEST, SURVIVED, NOT_JUDGED, LEFT),
)

_NAME = "trial"
_GAP = 16
_WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
_HOST_FLAGS = ("-O0", "-fvisibility=default", "-ffp-contract=off", *_WARNINGS)
_INLINED = "static inline __attribute__((always_inline, unused))"
_CALLED = "static __attribute__((unused))"
_INCLUDE = re.compile(r'^#include "[^"\n]+"\n', re.MULTILINE)
_FEW = 8
_EMULATED_FIRST = "cortex-m4"
_CPU_SECONDS = 1.0
"""A run takes a few milliseconds of this."""
_TIMEOUT_S = 20.0


def kernel_files() -> dict[str, str]:
    """The text of every file of `device/kernels`, by name."""
    folder = resources.files("midge.device") / "kernels"
    return {
        entry.name: entry.read_text("ascii")
        for entry in sorted(folder.iterdir(), key=lambda e: e.name)
        if entry.name.endswith(".h")
    }


def body(text: str) -> str:
    """A kernel file as it stands in an emitted one: without its local includes."""
    return _INCLUDE.sub("", text).rstrip() + "\n"


def all_kernels() -> list[Kernel]:
    """The kernels of the table, each once."""
    return list(dict.fromkeys(k for kernels in KERNELS.values() for k in kernels))


def kernels_of(texts: Iterable[str]) -> list[Kernel]:
    """The kernels whose emitted text holds any of these files' texts."""
    bodies = [body(text) for text in texts]
    closures = {source: kernel_text([source]) for source in {k.source for k in all_kernels()}}
    return [k for k in all_kernels() if any(b in closures[k.source] for b in bodies)]


@dataclass(frozen=True, eq=False)
class Trial:
    """Networks that one kernel computes, in one library, with the right answers.

    Attributes:
        kernel: What is tried.
        name: For people.
        core: Where it is emulated; None for the host.
        files: The emitted C.
        interface: What the harness has to know of it.
        arena_bytes: Size of the arena.
        state_bytes: Size of the state.
        kept: Beginnings and ends of what no layer writes in the arena.
        places: Where the inputs stand in it.
        samples: Each sample's inputs as bytes.
        expected: Each sample's outputs.
    """

    kernel: Kernel
    name: str
    core: str | None
    files: Mapping[str, str]
    interface: ModelInterface
    arena_bytes: int
    state_bytes: int
    kept: Sequence[tuple[int, int]]
    places: Sequence[int]
    samples: Sequence[tuple[bytes, ...]]
    expected: Sequence[tuple[Array, ...]]

    @cached_property
    def digest(self) -> str:
        """Names what it tries: the emitted C, the samples, the answers, what is kept."""
        found = hashlib.sha256(repr(self.kept).encode())
        for name, text in sorted(self.files.items()):
            found.update(f"{name}\0{text}\0".encode())
        for sample in self.samples:
            found.update(b"\0".join(sample))
        for answers in self.expected:
            found.update(b"\0".join(answer.tobytes() for answer in answers))
        return found.hexdigest()

    def holds(self, text: str) -> bool:
        """Whether a kernel file is part of it."""
        return body(text) in self.files[f"{_NAME}.c"]

    def judge(self, original: str, mutated: str) -> str:
        """One of `VERDICTS` on a changed kernel file.

        Args:
            original: The file's text.
            mutated: What stands in its place.
        """
        source = self.files[f"{_NAME}.c"]
        if mutated != original:
            assert source.count(body(original)) == 1, "a kernel file stands in the emitted C once"
            source = source.replace(body(original), body(mutated))
        files = {**self.files, f"{_NAME}.c": source.replace(_INLINED, _CALLED)}
        return self._on_host(files) if self.core is None else self._emulated(self.core, files)

    def _on_host(self, files: Mapping[str, str]) -> str:
        try:
            library = build_host_library(files, flags=_HOST_FLAGS, sanitizers=("undefined",))
        except ToolError:
            return "does not build"
        try:
            return self._run_library(library)
        finally:
            library.unlink(missing_ok=True)

    def _run_library(self, library: Path) -> str:
        about = {
            "library": str(library),
            "name": _NAME,
            "seconds": _CPU_SECONDS,
            "samples": len(self.samples),
            "inputs": self.interface.input_bytes,
            "outputs": self.interface.output_bytes,
            "arena_bytes": self.arena_bytes,
            "state_bytes": self.state_bytes,
            "kept": self.kept,
        }
        given = [json.dumps(about).encode() + b"\n", _filling(self.arena_bytes)]
        given += [part for sample in self.samples for part in sample]
        runner = [sys.executable, "-I", "-S", mutants_runner.__file__]
        try:
            done = processes.run(runner, timeout_s=3 * _TIMEOUT_S, input=b"".join(given))
        except processes.TimedOutError:
            return "hangs"
        if done.returncode == mutants_runner.OUTSIDE:
            return "writes elsewhere"
        if done.returncode != 0:
            return "hangs" if done.returncode == -signal.SIGPROF else "crashes"
        outputs, at = [], 0
        for _ in self.samples:
            row = []
            for size in self.interface.output_bytes:
                row.append(done.stdout[at : at + size])
                at += size
            outputs.append(tuple(row))
        return self._compare(outputs)

    def _emulated(self, core: str, files: Mapping[str, str]) -> str:
        try:
            compiler = find_compiler("zig", core)
            program = build(compiler, files, self.interface, optimisation="-O1")
        except ToolError:
            return "does not build"
        filling = _filling(self.arena_bytes)[mutants_runner.GUARD : -mutants_runner.GUARD]
        try:
            # An emulated fault or endless loop does this process no harm.
            machine = UnicornMachine(program, timeout_s=_TIMEOUT_S)
            machine.write_arena(0, filling)
            inferences = machine.run(self.samples)
        except MidgeError as error:
            return "hangs" if "no return within" in str(error) else "crashes"
        before = bytearray(filling)
        for place, content in zip(self.places, self.samples[-1], strict=True):
            before[place : place + len(content)] = content
        after = machine.read_arena(0, self.arena_bytes)
        if any(after[start:end] != before[start:end] for start, end in self.kept):
            return "writes elsewhere"
        return self._compare([inference.outputs for inference in inferences])

    def _compare(self, outputs: Sequence[Sequence[bytes]]) -> str:
        for found, expected in zip(outputs, self.expected, strict=True):
            if not all(_equal(f, e) for f, e in zip(found, expected, strict=True)):
                return "other outputs"
        return SURVIVED


def _equal(found: bytes, expected: Array) -> bool:
    """Equal in every bit; one NaN is as good as another."""
    if found == expected.tobytes():
        return True
    if expected.dtype.kind != "f":
        return False
    values, wanted = np.frombuffer(found, expected.dtype), expected.reshape(-1)
    bits = np.dtype(f"u{expected.dtype.itemsize}")
    same = values.view(bits) == wanted.view(bits)
    return bool(np.all(same | (np.isnan(values) & np.isnan(wanted))))


@cache
def _filling(arena_bytes: int) -> bytes:
    """What an arena and its surroundings hold before a run."""
    return np.random.default_rng(1).bytes(arena_bytes + 2 * mutants_runner.GUARD)


def trials(kernels: Sequence[Kernel], advance: Callable[[str], None]) -> list[Trial]:
    """The trials of some kernels, those of the host first, small ones before large ones.

    Args:
        kernels: In any order.
        advance: Called with the name of each kernel whose trials are made.
    """
    made: list[Trial] = []
    networks = _networks({kind for kernel in kernels for kind in _kinds_of(kernel)})
    for kernel in kernels:
        made += _framework_trials(kernel)
        name = name_of(kernel)
        for rounding, found in _computed_by(kernel, networks).items():
            label = f"{name} {rounding.value if rounding else ''}".rstrip()
            for part, few in _parts(found):
                joined = join(few, _NAME)
                graph = _rounded(joined.graph, rounding)
                samples = [joined.sample(seed) for seed in SAMPLE_SEEDS]
                made.append(_trial(part + label, kernel, graph, samples))
        advance(name)
    return sorted(made, key=lambda t: (t.core is not None, len(t.files[f"{_NAME}.c"]), t.name))


def _parts(found: Sequence[_Made]) -> Iterator[tuple[str, Sequence[_Made]]]:
    """All of them, and a few of many first, with what stands in front of their names."""
    if len(found) > 2 * _FEW:
        # Nearly every mutant is found by these, and a large library takes long to build.
        yield "few of ", found[:: -(-len(found) // _FEW)]
    yield "", found


def _framework_trials(kernel: Kernel) -> Iterator[Trial]:
    """Layers that no ``.tflite`` file has, each with the rounding it was made with."""
    kinds = _kinds_of(kernel)
    found = []
    for case in every_case():
        if any(op.kind in kinds for op in case.graph.ops):
            choice = _choice(kernel, case.graph)
            if choice is not None and kernel in choice:
                found.append(case)
    for part, few in _parts(found) if found else ():
        samples = [joined_sample(few, seed) for seed in SAMPLE_SEEDS]
        yield _trial(f"{part}{name_of(kernel)} layers", kernel, join_layers(few, _NAME), samples)


def name_of(kernel: Kernel) -> str:
    """Says which kernel."""
    return f"{kernel.source} {kernel.function} {kernel.variant}"


def _kinds_of(kernel: Kernel) -> list[str]:
    return [kind for kind, kernels in KERNELS.items() if kernel in kernels]


@dataclass(frozen=True, eq=False)
class _Network:
    """A network with its graphs, of which each has another rounding."""

    made: SyntheticNetwork
    graphs: Mapping[Rounding | None, Graph]


def _networks(kinds: Collection[str]) -> list[_Network]:
    """The networks that have operators of some kinds."""
    extremes = [made for operator in WITH_EXTREMES for made in extreme_layers(operator)]
    found = []
    for made in (*single_op_networks(), *extremes):
        graph = imported(made)
        if any(op.kind in kinds for op in graph.ops):
            found.append(_Network(made, _with_roundings(graph)))
    return found


def _with_roundings(graph: Graph) -> dict[Rounding | None, Graph]:
    """The graph as it is, under None, and with every other rounding that its operators have."""
    graphs: dict[Rounding | None, Graph] = {None: graph}
    for rounding in Rounding:
        changed = _rounded(graph, rounding)
        if changed.ops == graph.ops:
            continue
        try:
            graphs[rounding] = verify(changed)
        except UserError:
            continue
    return graphs


def _rounded(graph: Graph, rounding: Rounding | None) -> Graph:
    """The graph with another rounding in the operators that have one, and numbers to round."""
    if rounding is None:
        return graph
    ops = []
    for op in graph.ops:
        quantized = any(t is not None and t.quantization is not None for t in graph.op_inputs(op))
        if quantized and hasattr(op.attributes, "rounding"):
            ops.append(replace(op, attributes=replace(op.attributes, rounding=rounding)))
        else:
            ops.append(op)
    return graph.with_ops(ops)


def _computed_by(
    kernel: Kernel, networks: Sequence[_Network]
) -> dict[Rounding | None, list[SyntheticNetwork]]:
    """The networks with a layer that the kernel computes, by rounding."""
    kinds = _kinds_of(kernel)
    found: dict[Rounding | None, list[SyntheticNetwork]] = {}
    for network in networks:
        for rounding, graph in network.graphs.items():
            if any(op.kind in kinds for op in graph.ops):
                choice = _choice(kernel, graph)
                if choice is not None and kernel in choice:
                    found.setdefault(rounding, []).append(network.made)
    return found


def _choice(kernel: Kernel, graph: Graph) -> Choice | None:
    """The kernel wherever it applies, elsewhere the plainest; None where a layer has none."""
    try:
        rows = candidates(graph, kernel.requires)
    except UserError:
        return None
    return tuple(
        kernel if kernel in row.kernels else row.kernels[0] if row.kernels else None for row in rows
    )


def _trial(name: str, kernel: Kernel, graph: Graph, given: Sequence[Mapping[str, Array]]) -> Trial:
    choice = _choice(kernel, graph)
    assert choice is not None
    plan, kept = _lay_out(graph, choice)
    emitted = emit_c(graph, choice, plan, VERSION)
    header = emitted.files[f"{_NAME}.h"]
    samples, expected = [], []
    state = None
    for sample in given:
        values = interpret(graph, sample, state)
        state = state_after(graph, values)
        samples.append(tuple(np.ascontiguousarray(sample[n]).tobytes() for n in graph.inputs))
        expected.append(tuple(outputs_of(graph, values).values()))
    return Trial(
        kernel=kernel,
        name=name,
        core=_core_of(kernel),
        files=emitted.files,
        interface=ModelInterface(
            name=graph.name,
            input_bytes=tuple(graph.tensors[n].size_bytes for n in graph.inputs),
            output_bytes=tuple(graph.tensors[n].size_bytes for n in graph.outputs),
            layers=tuple(s for s in emitted.layer_symbols if s is not None),
        ),
        arena_bytes=plan.arena_bytes,
        state_bytes=_macro(header, "STATE_BYTES"),
        kept=kept,
        places=[plan.offsets[name] for name in graph.inputs],
        samples=samples,
        expected=expected,
    )


def _core_of(kernel: Kernel) -> str | None:
    """Where a kernel is emulated; None where the host runs it."""
    if not kernel.requires:
        return None
    names = (_EMULATED_FIRST, *CORES)
    fitting = [n for n in names if kernel.requires <= CORES[n].features]
    return next((n for n in fitting if "unicorn" in CORES[n].emulators), _EMULATED_FIRST)


def _macro(header: str, name: str) -> int:
    found = re.search(rf"^#define {_NAME.upper()}_{name} (\d+)$", header, re.MULTILINE)
    assert found is not None, name
    return int(found[1])


def _lay_out(graph: Graph, choice: Choice) -> tuple[Plan, list[tuple[int, int]]]:
    """Bytes of its own for every tensor, and nobody's bytes between them.

    An input that one layer alone reads stands as far behind that layer's output as the kernel
    promises to be safe.

    Returns:
        The plan, and beginning and end of what no layer writes: nobody's bytes, and the inputs but
        for what lies under such an output.
    """
    problem = planning_problem(graph, choice)
    sizes = {b.name: b.size_bytes for b in problem.buffers}
    origin = {name: name for name in sizes}
    for alias in problem.aliases:
        origin[alias.output] = origin[alias.input]
    offsets: dict[str, int] = {}
    scratch: dict[str, int] = {}
    alignment = {b.name: b.alignment for b in problem.buffers}
    kept: list[tuple[int, int]] = []
    end = 0

    def start() -> int:
        nonlocal end
        begin = -(-(end + _GAP) // _GAP) * _GAP
        kept.append((end, begin))
        return begin

    for y, x, distance in _near(problem, origin):
        begin, step_bytes = start(), max(alignment[x], alignment[y])
        behind = -(-distance // step_bytes) * step_bytes
        offsets[y], offsets[x] = begin + max(-behind, 0), begin + max(behind, 0)
        end = max(offsets[y] + sizes[y], offsets[x] + sizes[x])
        kept += [(begin, offsets[y]), (offsets[y] + sizes[y], end)]
    for name, size in sizes.items():
        if origin[name] == name and name not in offsets:
            offsets[name] = start()
            end = offsets[name] + size
            if name in problem.inputs:
                kept.append((offsets[name], end))
    for step in problem.steps:
        if step.scratch_bytes:
            scratch[step.name] = start()
            end = scratch[step.name] + step.scratch_bytes
    plan = replace(
        plan_memory(Problem((), (), (), ())),
        order=tuple(range(len(graph.ops))),
        offsets={name: offsets[origin[name]] for name in sizes},
        scratch_offsets=scratch,
        arena_bytes=end,
    )
    return plan, kept


def _near(problem: Problem, origin: Mapping[str, str]) -> Iterator[tuple[str, str, int]]:
    """Pairs of output and input that share bytes, and how far the input stands behind."""
    reads = [origin[name] for step in problem.steps for name in step.reads]
    taken: set[str] = set()
    for step in problem.steps:
        for overlap in step.overlaps:
            y, x = overlap.output, overlap.input
            free = origin[y] == y and not {x, y} & (taken | set(problem.outputs) - {y})
            if free and x in problem.inputs and reads.count(x) == 1 and x not in problem.keep:
                taken |= {x, y}
                yield y, x, overlap.distance
                break
