"""Does the program fit the board?"""

from __future__ import annotations

import re
from collections.abc import Iterable

from midge.c_emitter import lay_out_state
from midge.driver.artifact import Artifact
from midge.errors import DoesNotFitError, MidgeError, ToolError
from midge.graph import Graph
from midge.memory_plan import Plan
from midge.toolchain import target_for
from midge.virtual_mcu import Target

_SHOWN = 4
"""Of what holds the space, this many are named."""
_OVERFLOW = re.compile(r"region [`'](FLASH|RAM)':? overflowed by (\d+) bytes")
"""As GNU ld and lld say it."""


def check_fits(artifact: Artifact) -> None:
    """Compare RAM and flash with the board's.

    The stack counts with its static bound.

    Raises:
        DoesNotFitError: by how much it does not, and what holds the space.
    """
    target, graph = artifact.settings.target, artifact.graph
    if artifact.program is None or target.ram_bytes is None or target.flash_bytes is None:
        return
    ram = artifact.ram_bytes(artifact.stack_bound_bytes or 0).total
    flash = artifact.flash_bytes
    problems = []
    for memory, needed, present, holders in (
        ("RAM", ram, target.ram_bytes, _ram_holders(graph, artifact.plan)),
        ("flash", flash.total, target.flash_bytes, _packed_weights(artifact)),
    ):
        if needed > present:
            problems.append(
                f"{memory}: needs {needed} bytes, the board has {present}: {needed - present} too "
                f"many. Held by {holders}"
            )
    if problems:
        raise _does_not_fit(graph, target, problems)


def over_budget(artifact: Artifact) -> int:
    """Bytes of RAM and flash beyond what its settings allow; 0 where all is within."""
    settings = artifact.settings
    if artifact.program is None:
        return 0
    ram = artifact.ram_bytes(artifact.stack_bound_bytes or 0).total
    pairs = ((ram, settings.ram_bytes), (artifact.flash_bytes.total, settings.flash_bytes))
    return sum(max(0, used - limit) for used, limit in pairs if limit is not None)


def explain_overflow(error: ToolError, graph: Graph, plan: Plan, target: Target) -> MidgeError:
    """A linker's complaint about too little memory, in the words of `check_fits`.

    A program is linked for the memory that is emulated for its core, more than most boards have.
    The linker is asked first, since nobody else knows the size of the code.

    Args:
        error: What building ended with.
        graph: In running order.
        plan: Its plan.
        target: Where it was to run.

    Returns:
        A DoesNotFitError; `error` where it is about something else.
    """
    over: dict[str, int] = {}
    for region, size in _OVERFLOW.findall(str(error)):
        over[region] = max(int(size), over.get(region, 0))
    if not over:
        return error
    emulated = target_for(target.core.name).memory
    ram = plan.arena_bytes + lay_out_state(graph).size_bytes
    flash = graph.constant_bytes()
    problems = []
    for memory, region, least, board, virtual, holders in (
        ("RAM", "RAM", ram, target.ram_bytes, emulated.ram_bytes, _ram_holders(graph, plan)),
        ("flash", "FLASH", flash, target.flash_bytes, emulated.flash_bytes, _weights(graph)),
    ):
        if board is not None and least > board:
            problems.append(
                f"{memory}: needs {least} bytes and more, the board has {board}: {least - board} "
                f"too many at least. Held by {holders}"
            )
        elif region in over:
            problems.append(
                f"{memory}: {over[region]} bytes too many for the {virtual} that are emulated, the "
                f"test harness's share included. Held by {holders}"
            )
    return _does_not_fit(graph, target, problems)


def _does_not_fit(graph: Graph, target: Target, problems: list[str]) -> DoesNotFitError:
    return DoesNotFitError(
        f"{graph.name} does not fit {target.title}:\n  " + "\n  ".join(problems) + "\n"
        "Choose a larger board (`midge targets`), or a smaller network"
    )


def _ram_holders(graph: Graph, plan: Plan) -> str:
    """The tensors that are alive where the arena is fullest, and what outlives a run."""
    fullest = max(plan.live, key=lambda slot: (slot.bound_bytes, slot.live_bytes))
    tensors = [
        (graph.tensors[n].size_bytes, f"tensor {n!r}")
        for n in fullest.buffers
        if n in graph.tensors
    ]
    held = _largest([*tensors, *((t.size_bytes, f"variable {t.name!r}") for t in graph.variables)])
    if fullest.scratch_bytes:
        held.append(f"scratch ({fullest.scratch_bytes} bytes)")
    place = f" at layer {fullest.step}" if fullest.step else ""
    return ", ".join(held) + place


def _packed_weights(artifact: Artifact) -> str:
    """The layers with the most constants as emitted, and the code."""
    symbols = [s for s in artifact.emitted.layer_symbols if s is not None]
    held = _largest((artifact.weights_of(s), f"weights of {s}") for s in symbols)
    return ", ".join([*held, f"code ({artifact.flash_bytes.code} bytes)"])


def _weights(graph: Graph) -> str:
    """The layers with the most constants as they stand in the graph."""
    sizes = []
    for op in graph.ops:
        constants = [t.size_bytes for t in graph.op_inputs(op) if t is not None and t.is_constant]
        sizes.append((sum(constants), f"constants of layer {op.name}"))
    return ", ".join(_largest(sizes))


def _largest(sizes: Iterable[tuple[int, str]]) -> list[str]:
    ordered = sorted(sizes, reverse=True)
    return [f"{what} ({size} bytes)" for size, what in ordered[:_SHOWN]]
