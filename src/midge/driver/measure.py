"""What each candidate costs its layer: built and run in place, on the virtual core.

The whole network is built once with every layer's first candidate, once with every layer's second,
and so on. While one program runs the next ones are compiled.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from midge.c_emitter import Candidates, Choice
from midge.c_emitter.choose_offers import Offer
from midge.driver.artifact import Artifact
from midge.driver.realise import realise
from midge.driver.samples import take_samples
from midge.driver.settings import Settings
from midge.errors import DoesNotFitError
from midge.graph import Graph
from midge.virtual_mcu import Cycles, Trace, layer_cycles

Progress = Callable[[str], None]
CYCLES, INSTRUCTIONS = "cycles", "instructions"

_BUILDERS = 2
"""Programs that are compiled at once."""


@dataclass(frozen=True)
class CostTable:
    """What every kernel would cost.

    Attributes:
        rows: For each layer an offer for each of its candidates; None for one whose program is too
            large to be linked.
        unit: Of the offers' cycles: ``cycles``, or ``instructions`` without a cycle model.
        code_bytes: Code that belongs to no layer.
        weights_bytes: Constants that belong to no layer.
        stack_bytes: The deepest bound of a program's stack.
        other_ram_bytes: State and static variables.
        live_set_bytes: The largest sum of tensors that are alive at once.
    """

    rows: tuple[tuple[Offer | None, ...], ...]
    unit: str
    code_bytes: int
    weights_bytes: int
    stack_bytes: int
    other_ram_bytes: int
    live_set_bytes: int


def measure_candidates(
    graph: Graph, table: Sequence[Candidates], settings: Settings, progress: Progress
) -> CostTable:
    """Build and run every candidate.

    Args:
        graph: After all passes.
        table: Its candidates.
        settings: For a target that is emulated.
        progress: Called with a line for each program, where there is something to choose.

    Raises:
        DoesNotFitError: not one kernel of some layer can be linked.
        ToolError: the C compiler or the emulator is missing or fails.
    """
    rounds = max([1, *(len(row.kernels) for row in table)])
    found: list[_Measured] = []
    refusals: list[DoesNotFitError] = []
    with ThreadPoolExecutor(_BUILDERS) as builders:
        builds = [
            builders.submit(realise, graph, _choice(table, number), settings)
            for number in range(rounds)
        ]
        try:
            for number, build in enumerate(builds):
                wanted = [i for i, row in enumerate(table) if number < len(row.kernels)]
                if rounds > 1:
                    progress(
                        f"measuring kernels on {settings.target.name}: program {number + 1} of "
                        f"{rounds}, layers: {len(wanted)}"
                    )
                try:
                    found.append(_measured(build.result(), table, dict.fromkeys(wanted, number)))
                except DoesNotFitError as error:
                    refusals.append(error)
                    found += _halves(graph, table, settings, wanted, number)
        finally:
            for build in builds:
                build.cancel()
    if not found:
        raise refusals[0]
    offers = {key: offer for part in found for key, offer in part.offers.items()}
    first = found[0]
    return CostTable(
        rows=tuple(
            tuple(offers.get((i, j)) for j in range(len(row.kernels)))
            for i, row in enumerate(table)
        ),
        unit=first.unit,
        code_bytes=first.code_bytes,
        weights_bytes=first.weights_bytes,
        stack_bytes=max(part.stack_bytes for part in found),
        other_ram_bytes=first.other_ram_bytes,
        live_set_bytes=first.live_set_bytes,
    )


@dataclass(frozen=True)
class _Measured:
    """What one program showed: offers by layer and candidate, and what belongs to no layer."""

    offers: dict[tuple[int, int], Offer]
    unit: str
    code_bytes: int
    weights_bytes: int
    stack_bytes: int
    other_ram_bytes: int
    live_set_bytes: int


def _choice(table: Sequence[Candidates], number: int) -> Choice:
    """Every layer's candidate of this number; the last that is taken by rule where it has fewer."""
    return tuple(row.kernels[number] if number < len(row.kernels) else row.by_rule for row in table)


def _halves(
    graph: Graph,
    table: Sequence[Candidates],
    settings: Settings,
    layers: list[int],
    number: int,
) -> list[_Measured]:
    """The same in smaller and smaller groups, beside the plainest kernels of the other layers."""
    found = []
    middle = len(layers) // 2
    for part in (layers[:middle], layers[middle:]) if middle else ():
        choice = tuple(
            row.kernels[number if i in part else 0] if row.kernels else None
            for i, row in enumerate(table)
        )
        try:
            artifact = realise(graph, choice, settings)
        except DoesNotFitError:
            found += _halves(graph, table, settings, part, number)
        else:
            found.append(_measured(artifact, table, dict.fromkeys(part, number)))
    return found


def _measured(artifact: Artifact, table: Sequence[Candidates], wanted: dict[int, int]) -> _Measured:
    """Run a program and take it apart.

    Args:
        artifact: Its ops may stand in another order than the table's rows.
        table: The candidates.
        wanted: The candidate's number, for each layer of which the cost is wanted.
    """
    program, target = artifact.built, artifact.settings.target
    machine = artifact.open_machine()
    (sample,) = take_samples(artifact.graph, None).samples
    _, trace = machine.trace(artifact.to_bytes(sample), flash=target.flash)
    by_layer = layer_cycles(target, trace, program.read)
    called = _called(artifact, trace)
    bounds = {slot.step: slot.bound_bytes for slot in artifact.plan.live}
    place = {row.layer.op.name: i for i, row in enumerate(table)}
    offers: dict[tuple[int, int], Offer] = {}
    own_code = own_weights = number = 0
    for op, symbol in zip(artifact.graph.ops, artifact.emitted.layer_symbols, strict=True):
        if symbol is None:
            continue
        offer = Offer(
            cycles=_cost(by_layer, trace, number),
            weights_bytes=artifact.weights_of(symbol),
            code_bytes=program.layer_code_bytes[symbol],
            shared=called.get(number, ()),
            arena_bytes=bounds[op.name],
        )
        number += 1
        own_code += offer.code_bytes
        own_weights += offer.weights_bytes
        row = place[op.name]
        if row in wanted:
            offers[row, wanted[row]] = offer
    shared = {name: size for functions in called.values() for name, size in functions}
    return _Measured(
        offers=offers,
        unit=INSTRUCTIONS if by_layer is None else CYCLES,
        code_bytes=max(0, program.code_bytes - own_code - sum(shared.values())),
        weights_bytes=max(0, program.weights_bytes - own_weights),
        stack_bytes=artifact.stack_bound_bytes or 0,
        other_ram_bytes=program.state_bytes + program.static_bytes,
        live_set_bytes=artifact.plan.live_set_bytes,
    )


def _cost(by_layer: dict[int, Cycles] | None, trace: Trace, number: int) -> int:
    """Cycles with the board's flash; at zero wait where its waiting is not published."""
    if by_layer is None:
        return trace.layer_instructions[number]
    spent = by_layer.get(number)
    if spent is None:
        return 0
    return spent.zero_wait if spent.modelled is None else spent.modelled


def _called(artifact: Artifact, trace: Trace) -> dict[int, tuple[tuple[str, int], ...]]:
    """The functions that each layer ran beside its own, with their bytes, by the layer's number."""
    functions = [s for s in artifact.built.symbols if s.kind == "function"]
    starts = [function.address for function in functions]
    symbols = [s for s in artifact.emitted.layer_symbols if s is not None]
    found: dict[int, dict[str, int]] = {}
    for layer, block in sorted({(edge.layer, edge.block) for edge in trace.edges}):
        if layer < 0:
            continue
        # Routines in assembly may have no size: a block belongs to what begins last before it.
        function = functions[max(0, bisect_right(starts, block) - 1)]
        own = symbols[layer]
        if function.name != own and not function.name.startswith(f"{own}."):
            found.setdefault(layer, {})[function.name] = function.size
    return {layer: tuple(sorted(called.items())) for layer, called in found.items()}
