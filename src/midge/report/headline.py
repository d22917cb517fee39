"""The six figures that a report opens with, each with its certainty and its composition.

What is null in the report becomes a figure without a value and with the reason, which follows
from what else is null: a core that was counted but has no cycles has no cycle model, a target
without a clock is a bare core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from midge.report.wording import (
    byte_count,
    capacity,
    clock,
    count,
    decimal,
    energy,
    latency,
    percent,
    printable,
)

EXACT = "exact"
MEASURED = "measured"
MODELLED = "modelled"

Json = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A piece of a bar.

    Attributes:
        label: What it is.
        amount: In the bar's unit.
        text: The amount with its unit.
        style: ``first`` to ``fourth`` for what is there, ``bound`` for what may come on top.
    """

    label: str
    amount: float
    text: str
    style: str


@dataclass(frozen=True)
class Bar:
    """What a figure is made of, beside what there is.

    Attributes:
        parts: From left to right.
        limit: The whole bar: what the board has; None where there is no limit and the parts fill
            the bar.
        limit_text: How much of the limit is taken; empty without one.
    """

    parts: tuple[Part, ...]
    limit: float | None
    limit_text: str

    @property
    def full(self) -> float:
        """The amount that the whole length stands for, above 0."""
        return max(sum(p.amount for p in self.parts), self.limit or 0) or 1


@dataclass(frozen=True)
class Figure:
    """One headline.

    Attributes:
        label: What it is.
        value: With its unit; None when not known.
        certainty: EXACT, MEASURED or MODELLED; empty without a value.
        notes: What else there is to say; the reason first when there is no value.
        bar: Composition and limit; None without any.
    """

    label: str
    value: str | None
    certainty: str
    notes: tuple[str, ...]
    bar: Bar | None = None


def headline(report: Json) -> tuple[Figure, ...]:
    """RAM, flash, latency, energy, cycles and instructions of one inference.

    Args:
        report: The contents of report.json.
    """
    return (
        _ram(report),
        _flash(report),
        _latency(report),
        _energy(report),
        _cycles(report),
        _instructions(report),
    )


def why_not_run(report: Json) -> str:
    """The reason why a report has no costs."""
    return f"nothing here emulates the {printable(report['target']['core'])} core"


def why_no_cycles(report: Json) -> str:
    """The reason why cycles are null."""
    if report["costs"] is None:
        return why_not_run(report)
    if report["costs"]["instructions"] is None:
        return "nothing was counted in this run"
    return f"the {printable(report['target']['core'])} core has no cycle model"


def is_bare_core(report: Json) -> bool:
    """Whether the target is a core alone: no clock, no flash to wait for, no limits."""
    return report["target"]["clock_hz"] is None


def _ram(report: Json) -> Figure:
    limit = report["target"]["ram_bytes"]
    costs = report["costs"]
    arena = report["memory_plan"]["arena_bytes"]
    if costs is None:
        parts: tuple[Part, ...] = (Part("arena", arena, byte_count(arena), "first"),)
        notes = (
            f"the arena alone; static variables and stack are not known: {why_not_run(report)}",
        )
        return Figure("RAM", byte_count(arena), EXACT, notes, _limited(parts, arena, limit))
    ram = costs["ram_bytes"]
    peak, bound, total = ram["stack_peak"], ram["stack_bound"], ram["total"]
    parts = (
        Part("arena", ram["arena"], byte_count(ram["arena"]), "first"),
        Part("state", ram["state"], byte_count(ram["state"]), "second"),
        Part("static", ram["static"], byte_count(ram["static"]), "third"),
        Part("stack, painted", peak, byte_count(peak), "fourth"),
    )
    if bound is None:
        notes = ("the stack's bound is not known: another input may use more than was painted",)
    elif bound > peak:
        extra = Part("stack, up to its bound", bound - peak, byte_count(bound - peak), "bound")
        parts = (*parts, extra)
        most = byte_count(total - peak + bound)
        notes = (f"at most {most}: the stack's bound is {byte_count(bound)}",)
    elif bound == peak:
        notes = (f"and never more: the stack's bound is {byte_count(bound)} as well",)
    else:
        notes = (f"the stack's bound, {byte_count(bound)}, is below: a defect, please report it",)
    return Figure("RAM", byte_count(total), MEASURED, notes, _limited(parts, total, limit))


def _flash(report: Json) -> Figure:
    limit = report["target"]["flash_bytes"]
    held = f"the model's constants hold {byte_count(report['model']['constants_bytes'])}"
    if report["costs"] is None:
        return Figure("Flash", None, "", (why_not_run(report), held))
    flash = report["costs"]["flash_bytes"]
    parts = (
        Part("code", flash["code"], byte_count(flash["code"]), "first"),
        Part("weights", flash["weights"], byte_count(flash["weights"]), "second"),
    )
    total = flash["total"]
    return Figure("Flash", byte_count(total), EXACT, (held,), _limited(parts, total, limit))


def _latency(report: Json) -> Figure:
    costs, hertz = report["costs"], report["target"]["clock_hz"]
    pair = costs and costs["latency_ms"]
    if not pair:
        bare = is_bare_core(report) and costs is not None
        reason = "a bare core has no clock; compile for a board" if bare else why_no_cycles(report)
        return Figure("Latency", None, "", (reason,))
    zero_wait, modelled = pair
    at = f" at {clock(hertz)}" if hertz else ""
    if modelled is None:
        return Figure("Latency", latency(zero_wait), MODELLED, _lower_bound(at))
    notes = [f"with the board's flash{at}", f"zero wait {latency(zero_wait)}"]
    if modelled:
        notes.append(f"at most {decimal(1000 / modelled)} inferences a second")
    return Figure("Latency", latency(modelled), MODELLED, tuple(notes))


def _energy(report: Json) -> Figure:
    costs = report["costs"]
    pair = costs and costs["energy_uj"]
    if not pair:
        if costs is None or costs["cycles"] is None:
            reason = why_no_cycles(report)
        elif is_bare_core(report):
            reason = "a bare core has no supply; compile for a board"
        else:
            reason = "no supply current is published for this board"
        return Figure("Energy", None, "", (reason,))
    zero_wait, modelled = pair
    if modelled is None:
        return Figure("Energy", energy(zero_wait), MODELLED, _lower_bound())
    notes = (
        "with the board's flash",
        f"zero wait {energy(zero_wait)}",
        "the chip alone, from its vendor's supply current",
    )
    return Figure("Energy", energy(modelled), MODELLED, notes)


def _cycles(report: Json) -> Figure:
    costs = report["costs"]
    zero_wait = costs and costs["cycles"]
    if zero_wait is None:
        return Figure("Cycles", None, "", (why_no_cycles(report),))
    modelled = costs["cycles_modelled"]
    if is_bare_core(report):
        note = "zero wait: a bare core has no flash to wait for"
        return Figure("Cycles", count(zero_wait), MODELLED, (note, *_per_mac(zero_wait, costs)))
    if modelled is None:
        return Figure("Cycles", count(zero_wait), MODELLED, _lower_bound())
    stall = modelled - zero_wait
    parts = (
        Part("zero wait", zero_wait, count(zero_wait), "first"),
        Part("waiting for flash", stall, f"{count(stall)} ({percent(stall, modelled)})", "bound"),
    )
    bar = Bar(parts, None, "")
    return Figure("Cycles", count(modelled), MODELLED, _per_mac(modelled, costs), bar)


def _instructions(report: Json) -> Figure:
    costs = report["costs"]
    issued = costs and costs["instructions"]
    if issued is None:
        reason = "nothing was counted in this run" if costs else why_not_run(report)
        return Figure("Instructions", None, "", (reason,))
    counted = costs["samples"]
    of = "for one sample" if counted == 1 else f"the median of {counted} samples"
    notes = [f"issued {of}", *_per_mac(issued, costs)]
    if costs["cycles"]:
        notes.append(f"{decimal(costs['cycles'] / issued)} cycles each at zero wait")
    software = costs.get("software_float")
    if software:
        core = printable(report["target"]["core"])
        notes.append(
            f"{percent(software['instructions'], issued)} of them compute float32 in software, as "
            f"the {core} has no FPU: {byte_count(software['code_bytes'])} of the code"
        )
    return Figure("Instructions", count(issued), EXACT, tuple(notes))


def _lower_bound(at: str = "") -> tuple[str, ...]:
    """What to say of a figure that has only its zero-wait value."""
    reason = "the wait states of this board's flash are not published"
    return (f"zero wait{at}: a lower bound", f"with the board's flash: not known, {reason}")


def _per_mac(amount: int, costs: Json) -> tuple[str, ...]:
    return (f"{decimal(amount / costs['macs'])} for each MAC",) if costs["macs"] else ()


def _limited(parts: tuple[Part, ...], total: int, limit: int | None) -> Bar:
    if limit is None:
        return Bar(parts, None, "")
    return Bar(parts, limit, f"{percent(total, limit)} of {capacity(limit)}")
