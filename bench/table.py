"""What Midge's code costs on every core, beside what is known of others.

``python -m bench.table`` compiles the four MLPerf Tiny networks for seven cores and two boards with
both compilers, runs golden samples, and writes ``bench/results/table.md`` and ``.json``, the table
in README.md and those in docs/benchmarks.md (between their markers). ``python -m bench.peers`` runs
along with it unless ``--no-peers`` is given. Counts are exact: two runs give the same file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict

import midge
from bench import peers
from bench.behind import behind_quoted
from bench.costs import SAMPLES, Bound, Row, bounds_of, measure
from bench.markdown import RESULTS, put_between, table, write_results
from bench.mlperf_tiny import CORES, NETWORKS, REPOSITORY
from bench.progress import Progress
from bench.quoted import (
    CMSIS_NN,
    COUNTED,
    COUNTS,
    LATENCIES,
    LIVE_SETS,
    M4_INSTRUCTIONS,
    M4_SIZES,
    MLPERF,
)
from midge import MidgeError, ToolError

COMPILERS = ("zig", "gcc")
BOARDS = ("stm32l4r5zi", "stm32f746")


def cost_table(rows: Sequence[Row], network: str) -> str:
    """One network on every core, others' counts among them."""
    header = (
        "core",
        "software",
        "compiler",
        "figures",
        "instructions",
        "per MAC",
        "cycles, zero wait",
        "arena",
        "stack peak",
        "code",
        "constants in flash",
        "of the constants",
    )
    body: list[tuple[object, ...]] = []
    for core in CORES:
        for row in rows:
            if (row.core, row.network) == (core, network):
                figures = "measured here" if row.equal == SAMPLES else "WRONG OUTPUTS"
                body.append(
                    (
                        core,
                        f"Midge {midge.__version__}",
                        f"{row.compiler}, -O2",
                        figures,
                        row.instructions,
                        f"{row.per_mac:.2f}",
                        row.cycles,
                        row.arena,
                        row.stack_peak,
                        row.code,
                        row.weights,
                        f"{row.inflation:.3f}",
                    )
                )
        for peer in COUNTS:
            count = peer.of(network)
            if peer.core == core and count is not None:
                remark = f" ({peer.remark})" if peer.remark else ""
                sizes: tuple[object, ...] = (None,) * 5
                if (core, peer.software) == ("cortex-m4", CMSIS_NN):
                    size = M4_SIZES[network]
                    constants = next(r.constants for r in rows if r.network == network)
                    ratio = f"{size.model / constants:.3f}"
                    sizes = (size.arena, size.stack, size.code, size.model, ratio)
                per_mac = f"{count / next(r.macs for r in rows if r.network == network):.2f}"
                body.append(
                    (
                        core,
                        peer.software + remark,
                        peer.compiler,
                        "quoted",
                        count,
                        per_mac,
                        None,
                        *sizes,
                    )
                )
    return table(header, body, left=4)


def bound_table(bounds: Sequence[Bound]) -> str:
    """The limits with what was found."""
    body = [
        (b.network, b.cc, b.what, b.found, b.most, "holds" if b.holds else "FAILS") for b in bounds
    ]
    return table(("network", "compiler", "figure", "found", "at most", ""), body, left=3)


def board_table(rows: Sequence[Row]) -> str:
    """Modelled latency beside published ones."""
    header = ("board", "software", "figures", *NETWORKS)
    body: list[tuple[object, ...]] = []
    for board in BOARDS:
        own = {(row.network, row.cc): row for row in rows if row.core == board}
        for cc in COMPILERS:
            found = [own.get((name, cc)) for name in NETWORKS]
            if any(found):
                title = f"Midge {midge.__version__}, {cc} -O2"
                body.append((board, title, "modelled", *(_latency(row) for row in found)))
        body += [
            (board, quoted.software, "quoted", *(f"{ms:g}" for ms in quoted.milliseconds))
            for quoted in LATENCIES
            if quoted.board == board
        ]
    return table(header, body, left=3)


def readme_table(rows: Sequence[Row]) -> str:
    """The Cortex-M4 against TFLite Micro + CMSIS-NN, in brief."""
    header = (
        "network",
        "instructions: Midge (zig)",
        "Midge (GCC)",
        "TFLite Micro + CMSIS-NN (GCC 12.2)",
        "RAM: Midge",
        "TFLite Micro",
        "flash: Midge",
        "TFLite Micro",
    )
    body: list[tuple[object, ...]] = []
    for network in NETWORKS.values():
        own = {r.cc: r for r in rows if (r.network, r.core) == (network.name, "cortex-m4")}
        if "zig" not in own:
            continue
        gcc, size, quoted = own.get("gcc"), M4_SIZES[network.name], M4_INSTRUCTIONS[network.name]
        body.append(
            (
                f"{network.name}, {network.title}",
                own["zig"].instructions,
                gcc.instructions if gcc else None,
                quoted,
                own["zig"].ram,
                size.ram,
                own["zig"].flash,
                size.flash,
            )
        )
    return table(header, body) + (
        "\nBytes; RAM is arena and stack, inputs and outputs included; flash is code and "
        "constants. Midge's are those of the zig build.\n"
    )


def summary(rows: Sequence[Row], bounds: Sequence[Bound], skipped: Sequence[str]) -> str:
    """``table.md``."""
    failing = [b for b in bounds if not b.holds]
    verdict = (
        f"{len(failing)} of {len(bounds)} limits do not hold."
        if failing
        else f"All {len(bounds)} limits hold."
    )
    parts = ["# Figures\n", f"Written by `python -m bench.table`. {legend()}"]
    for network in NETWORKS.values():
        live = next((r for r in rows if r.network == network.name), None)
        if live is None:
            continue
        parts += [
            f"## {network.name}, {network.title}\n",
            f"{live.macs:,} MACs; {live.constants:,} bytes of constants; largest live set in file "
            f"order {LIVE_SETS[network.name]:,} bytes.\n",
            cost_table(rows, network.name),
        ]
    parts += [f"## Limits on the Cortex-M4\n\n{verdict}\n", bound_table(bounds)]
    parts += [f"## On boards, milliseconds\n\n{board_legend()}", board_table(rows)]
    parts += ["## Where another needs less\n", behind_quoted(rows)]
    parts += ["## Not run\n", *(f"- {reason}" for reason in skipped), ""] if skipped else []
    return "\n".join(parts)


def legend() -> str:
    """What the columns of the cost tables mean."""
    return (
        "`measured here`: compiled and run by this script, outputs of five golden samples equal in "
        "every byte, instructions of the median one. `quoted`: "
        + COUNTED
        + ", unless a row says otherwise. "
        "Sizes in bytes.\n"
    )


def board_legend() -> str:
    """What stands in the table of boards."""
    return (
        "`modelled` is an estimate: cycles by the core's timing model with the board's flash, zero "
        f"wait states in brackets; docs/cycle-models.md has its errors. `quoted`: {MLPERF}.\n"
    )


def _latency(row: Row | None) -> str | None:
    if row is None or row.latency_ms is None:
        return None
    zero_wait, modelled = row.latency_ms
    return f"{zero_wait:.3g}" if modelled is None else f"{modelled:.3g} ({zero_wait:.3g})"


def main(arguments: list[str] | None = None) -> int:
    """Measure and write; 1 when a limit does not hold or an output is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.table", description=__doc__)
    parser.add_argument("--no-peers", action="store_true", help="Midge alone")
    parser.add_argument("--output", metavar="FOLDER", help="write there, and leave the pages alone")
    options = parser.parse_args(arguments)
    folder = options.output or RESULTS
    rows: list[Row] = []
    skipped: list[str] = []
    try:
        plan = [
            (network, core, cc)
            for network in NETWORKS.values()
            for core in (*CORES, *BOARDS)
            for cc in COMPILERS
        ]
        progress = Progress("table", len(plan))
        for network, core, cc in plan:
            try:
                rows.append(measure(network, core, cc))
            except ToolError as error:
                skipped.append(f"{network.name}, {core}, {cc}: {error}")
            progress.advance(1, f"{network.name}/{core}/{cc}")
        progress.close()
        bounds = bounds_of(rows)
        content = {
            "midge": midge.__version__,
            "measured": [asdict(row) for row in rows],
            "quoted": {
                "instructions": [asdict(row) for row in COUNTS],
                "sizes": {name: asdict(size) for name, size in M4_SIZES.items()},
                "latencies": [asdict(row) for row in LATENCIES],
            },
            "bounds": [asdict(bound) | {"holds": bound.holds} for bound in bounds],
            "skipped": skipped,
        }
        write_results(folder, "table", summary(rows, bounds, skipped), content)
        if options.output is None:
            write_pages(rows, bounds)
    except MidgeError as error:
        print(f"bench.table: {error}", file=sys.stderr)
        return error.exit_code
    wrong = [row for row in rows if row.equal != SAMPLES]
    failing = [bound for bound in bounds if not bound.holds]
    for bound in failing:
        print(f"limit: {bound.network}, {bound.cc}: {bound.what} {bound.found:,} > {bound.most:,}")
    for row in wrong:
        print(f"wrong outputs: {row.network}, {row.core}, {row.cc}")
    print(f"wrote {folder}/table.md")
    status = 0 if options.no_peers else peers.main(["--output", folder])
    return 1 if wrong or failing else status


def write_pages(rows: Sequence[Row], bounds: Sequence[Bound]) -> None:
    """Bring README.md and docs/benchmarks.md up to date."""
    put_between(REPOSITORY / "README.md", "bench", readme_table(rows))
    page = REPOSITORY / "docs" / "benchmarks.md"
    costs = [f"### {n.name}, {n.title}\n\n{cost_table(rows, n.name)}" for n in NETWORKS.values()]
    put_between(page, "bench:cost", "\n".join(costs))
    put_between(page, "bench:limits", bound_table(bounds))
    put_between(page, "bench:boards", board_table(rows))
    put_between(page, "bench:behind", behind_quoted(rows))


if __name__ == "__main__":
    sys.exit(main())
