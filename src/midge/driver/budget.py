"""A stated budget: it holds, or the error says by how much it does not, why, and what would help.

What would help is measured: each change is made, built and run on the virtual device.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from midge.c_emitter import choose_kernels, leanest_kernels
from midge.compress.variants import (
    takes_int4,
    with_half_the_channels,
    with_half_the_input,
    with_int4_weights,
)
from midge.driver.artifact import Artifact
from midge.driver.main_path import realise
from midge.driver.run_result import LayerCost, RunResult
from midge.driver.settings import Settings
from midge.errors import DoesNotFitError, MidgeError, UserError
from midge.graph import Graph
from midge.passes import run_passes
from midge.virtual_mcu import Target, targets

_SHOWN = 3
_UNITS = {
    "size": {"": 1.0, "k": 1024.0, "m": 1024.0**2},
    "time": {"ms": 1.0, "us": 1e-3, "s": 1e3},
    "energy": {"uj": 1.0, "nj": 1e-3, "mj": 1e3},
}
"""In bytes, milliseconds and microjoules, by the units' names in small letters."""
_EXAMPLES = {"size": "32768, 32k or 1m", "time": "20ms, 500us or 1s", "energy": "50uJ or 1mJ"}


@dataclass(frozen=True)
class Budget:
    """What one inference may take at most; None where nothing is said.

    Attributes:
        ram_bytes: Arena, state, static variables, and the stack's bound.
        flash_bytes: Code and constants.
        latency_ms: Milliseconds, with the board's flash where that is modelled.
        energy_uj: Microjoules, likewise.
    """

    ram_bytes: int | None = None
    flash_bytes: int | None = None
    latency_ms: float | None = None
    energy_uj: float | None = None

    @classmethod
    def parse(
        cls,
        ram: str | None = None,
        flash: str | None = None,
        latency: str | None = None,
        energy: str | None = None,
    ) -> Budget:
        """A budget from texts such as ``32k``, ``20ms``, ``50uJ``.

        Raises:
            UserError: a text is no number above 0 with a unit.
        """
        size = partial(_amount, kind="size")
        return cls(
            None if ram is None else int(size("RAM", ram)),
            None if flash is None else int(size("flash", flash)),
            None if latency is None else _amount("latency", latency, kind="time"),
            None if energy is None else _amount("energy", energy, kind="energy"),
        )


def _amount(what: str, text: str, *, kind: str) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text.lower())
    unit = found[2] if found else ""
    if kind == "size":
        unit = re.sub("^(?:(k|m)i?)?b?$", r"\1", unit)
    if found is None or unit not in _UNITS[kind] or not float(found[1]):
        raise UserError(f"{what} budget {text!r}: expected a number above 0 as {_EXAMPLES[kind]}")
    return float(found[1]) * _UNITS[kind][unit]


@dataclass(frozen=True)
class _Line:
    """One line of a budget.

    Attributes:
        name: Of what is budgeted.
        allowed: At most.
        used: By a run of a program; None where nobody knows.
        share: A layer's part of it, for naming the largest; None where layers do not add up.
        text: An amount with its unit.
    """

    name: str
    allowed: float
    used: Callable[[Artifact, RunResult], float | None]
    share: Callable[[LayerCost], float] | None
    text: Callable[[float], str]


def _bytes(amount: float) -> str:
    return f"{amount:,.0f} bytes"


def _lines(budget: Budget) -> list[_Line]:
    """The lines of which something is said."""
    lines = [
        _Line("RAM", budget.ram_bytes or 0, _ram, None, _bytes),
        _Line(
            "flash",
            budget.flash_bytes or 0,
            lambda _, result: float(result.flash_bytes.total),
            lambda layer: layer.weights_bytes + layer.code_bytes,
            _bytes,
        ),
        _Line(
            "latency",
            budget.latency_ms or 0,
            lambda _, result: _last(result.latency_ms),
            _spent,
            lambda amount: f"{amount:,.3f} ms",
        ),
        _Line(
            "energy",
            budget.energy_uj or 0,
            lambda _, result: _last(result.energy_uj),
            _spent,
            lambda amount: f"{amount:,.2f} uJ",
        ),
    ]
    return [line for line in lines if line.allowed]


def _ram(artifact: Artifact, result: RunResult) -> float:
    ram = result.ram_bytes
    return float(artifact.ram_bytes(ram.stack_bound or ram.stack_peak).total)


def _last(pair: tuple[float, float | None] | None) -> float | None:
    """The modelled value where there is one."""
    return None if pair is None else pair[0] if pair[1] is None else pair[1]


def _spent(layer: LayerCost) -> float:
    return float(layer.cycles_modelled or layer.cycles or layer.instructions)


def check_budget(
    artifact: Artifact, result: RunResult, budget: Budget, progress: Callable[[str], None]
) -> None:
    """Hold a program and a run of it against a budget.

    Args:
        artifact: The program.
        result: A run.
        budget: What is allowed.
        progress: Called with each change that is about to be built and measured.

    Raises:
        UserError: the target has no figure for what is budgeted.
        DoesNotFitError: by how much it is exceeded, the three largest contributors, and what would
            help.
    """
    lines = _lines(budget)
    over = []
    for line in lines:
        used = line.used(artifact, result)
        if used is None:
            raise UserError(_no_figure(line.name, artifact.settings.target))
        if used > line.allowed:
            over.append((line, used))
    if not over:
        return
    target = artifact.settings.target
    problems = [
        f"{line.name}: needs {line.text(used)}{_how_chosen(line, artifact)}, allowed "
        f"{line.text(line.allowed)}: "
        f"{line.text(used - line.allowed)} too many. Most of it: "
        f"{_contributors(line, artifact, result)}"
        for line, used in over
    ]
    helps = [
        f"{what}: {_measured(lines, other, run)}"
        for what, other, run in _measure(artifact, result, [line for line, _ in over], progress)
        if any(_or_zero(line.used(other, run)) < used for line, used in over)
    ]
    advice = (
        ["What would help, each built and measured:", *(f"  {h}" for h in helps)]
        if helps
        else ["Nothing that was tried helps; choose a smaller network or a larger target"]
    )
    raise DoesNotFitError(
        "\n".join(
            [
                f"{artifact.graph.name} exceeds its budget on {target.title}:",
                *(f"  {p}" for p in problems),
                *advice,
            ]
        )
    )


def _how_chosen(line: _Line, artifact: Artifact) -> str:
    """That kernels were chosen for this line, where they were."""
    settings = artifact.settings
    asked = {"RAM": settings.ram_budget, "flash": settings.flash_budget}.get(line.name)
    if artifact.selection is None or asked is None:
        return ""
    return ", the least that was found"


def _or_zero(value: float | None) -> float:
    return 0.0 if value is None else value


def _no_figure(name: str, target: Target) -> str:
    known = [
        t.name
        for t in targets()
        if t.clock_hz is not None and t.cycle_model and (name != "energy" or t.energy is not None)
    ]
    return (
        f"{target.name}: no {name} is known for it, so no budget of it can be held; choose one of "
        f"{', '.join(known)} as --target"
    )


def _contributors(line: _Line, artifact: Artifact, result: RunResult) -> str:
    """The three largest, with their amounts or their share of the whole."""
    if line.share is None:
        ram, graph = result.ram_bytes, artifact.graph
        fullest = max(artifact.plan.live, key=lambda s: (s.bound_bytes, s.live_bytes))
        made_by = {name: op.name for op in graph.ops for name in op.outputs}
        parts = [
            (
                graph.tensors[n].size_bytes,
                f"output of {made_by[n]}" if n in made_by else f"input {n!r}",
            )
            for n in fullest.buffers
        ]
        parts += [(fullest.scratch_bytes, f"scratch of {fullest.step}")]
        parts += [(ram.state, "state"), (ram.stack_bound or ram.stack_peak, "stack")]
        ordered = sorted(parts, key=lambda p: -p[0])[:_SHOWN]
        return ", ".join(f"{what} ({_bytes(size)})" for size, what in ordered if size)
    total = sum(line.share(layer) for layer in result.layers) or 1.0
    ordered_layers = sorted(result.layers, key=line.share, reverse=True)[:_SHOWN]
    return ", ".join(
        f"{layer.name} ({100 * line.share(layer) / total:.0f} %)" for layer in ordered_layers
    )


def _measured(lines: list[_Line], artifact: Artifact, result: RunResult) -> str:
    """What a changed program takes of each line, and whether that holds."""
    said = []
    for line in lines:
        used = line.used(artifact, result)
        if used is not None:
            said.append(
                f"{line.name} {line.text(used)} ({'holds' if used <= line.allowed else 'too many'})"
            )
    return ", ".join(said)


def _measure(
    artifact: Artifact, result: RunResult, over: list[_Line], progress: Callable[[str], None]
) -> Iterator[tuple[str, Artifact, RunResult]]:
    """Changes that can be built and run, each with its program and run."""
    for what, graph, settings, lean in _changes(artifact, result, over):
        progress(what)
        choose = leanest_kernels if lean else choose_kernels
        try:
            lowered = run_passes(graph)
            choice = choose(lowered, settings.target.core.features)
            other = realise(lowered, choice, settings)
            yield what, other, other.run()
        except MidgeError:
            # What cannot be built helps nobody.
            continue


def _changes(
    artifact: Artifact, result: RunResult, over: list[_Line]
) -> Iterator[tuple[str, Graph, Settings, bool]]:
    """What might help: a name, the graph, how to build it, and whether with the leanest kernels."""
    graph, settings = artifact.graph, artifact.settings
    if settings.keep_input:
        yield "without --keep-input", graph, replace(settings, keep_input=False), False
    if settings.optimisation not in ("-Os", "-Oz"):
        yield "--c-level s", graph, replace(settings, optimisation="-Os"), False
    yield "kernels with the least scratch", graph, settings, True
    largest = _largest(result, over)
    narrow = [op.name for op in graph.ops if takes_int4(graph, op)]
    if narrow:
        named = ", ".join([*narrow[:_SHOWN], *["..."] * (len(narrow) > _SHOWN)])
        what = f"int4 weights in {len(narrow)} of {len(graph.ops)} layers ({named})"
        yield what, with_int4_weights(graph, narrow), settings, False
    for name in largest:
        pruned = with_half_the_channels(graph, name)
        if pruned is not None:
            yield f"half of the output channels of {name} pruned", pruned, settings, False
    smaller = with_half_the_input(graph)
    if smaller is not None:
        yield "an input of half the height and width", smaller, settings, False


def _largest(result: RunResult, over: list[_Line]) -> list[str]:
    """The layers with weights that weigh most in what is exceeded."""
    weighted = [layer for layer in result.layers if layer.macs and layer.weights_bytes]
    names: dict[str, None] = {}
    for line in over:
        share = line.share or (lambda layer: float(layer.scratch_bytes))
        names |= dict.fromkeys(
            layer.name for layer in sorted(weighted, key=share, reverse=True)[:_SHOWN]
        )
    return list(names)[:_SHOWN]
