"""Where another needs less than Midge: found in the figures, so that no page can leave it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bench.markdown import table
from bench.quoted import COUNTS, LATENCIES, NETWORKS


class Counted(Protocol):
    """What is asked of a row of `bench.table`."""

    @property
    def network(self) -> str:
        """Short name."""

    @property
    def core(self) -> str:
        """Core or board."""

    @property
    def cc(self) -> str:
        """The C compiler."""

    @property
    def instructions(self) -> int:
        """Of one inference."""

    @property
    def latency_ms(self) -> tuple[float, float | None] | None:
        """Zero wait, modelled."""


class Compared(Protocol):
    """What is asked of a row of `bench.peers`."""

    @property
    def network(self) -> str:
        """Short name."""

    @property
    def tool(self) -> str:
        """Name and version."""

    @property
    def variant(self) -> str:
        """How it compiled."""

    @property
    def compiler(self) -> str:
        """The C compiler's version."""

    @property
    def instructions(self) -> int | None:
        """Of one inference."""

    @property
    def flash(self) -> int | None:
        """Bytes."""

    @property
    def ram(self) -> int | None:
        """Bytes."""


def behind_quoted(rows: Sequence[Counted]) -> str:
    """The least quoted count and latency of each network and place, where Midge needs more."""
    body: list[tuple[object, ...]] = []
    for core in dict.fromkeys(peer.core for peer in COUNTS):
        for network in NETWORKS:
            known = [
                (count, f"{peer.software}, {peer.compiler}{f', {peer.remark}' * bool(peer.remark)}")
                for peer in COUNTS
                if peer.core == core and (count := peer.of(network)) is not None
            ]
            own = {r.cc: r.instructions for r in rows if (r.core, r.network) == (core, network)}
            body += _row(network, core, "instructions", known, own)
    for board in dict.fromkeys(quoted.board for quoted in LATENCIES):
        for index, network in enumerate(NETWORKS):
            published = [
                (latency, f"{quoted.software}, on silicon")
                for quoted in LATENCIES
                if quoted.board == board and (latency := quoted.milliseconds[index]) is not None
            ]
            modelled = {
                row.cc: row.latency_ms[1] or row.latency_ms[0]
                for row in rows
                if (row.core, row.network) == (board, network) and row.latency_ms is not None
            }
            body += _row(network, board, "ms, Midge's by the model", published, modelled)
    header = ("network", "where", "figure", "least known", "by", "Midge, zig", "Midge, gcc")
    return table(header, body, left=3) if body else "Nowhere.\n"


def behind_peers(rows: Sequence[Compared]) -> str:
    """The least that a peer reaches with the same C compiler, where Midge needs more."""
    own = {(row.network, row.compiler): row for row in rows if row.tool.startswith("Midge")}
    body: list[tuple[object, ...]] = []
    for (network, compiler), midge in own.items():
        for what in ("instructions", "flash", "ram"):
            peers = [
                (figure, f"{row.tool}, {row.variant}")
                for row in rows
                if (row.network, row.compiler) == (network, compiler)
                and row is not midge
                and (figure := getattr(row, what)) is not None
            ]
            ours = getattr(midge, what)
            if peers and ours is not None and min(peers)[0] < ours:
                least, who = min(peers)
                unit = what if what == "instructions" else f"bytes of {what.replace('ram', 'RAM')}"
                body.append((network, compiler, unit, least, who, ours, f"{ours / least:.3f}"))
    header = ("network", "C compiler", "figure", "least", "by", "Midge", "times")
    return table(header, body, left=3) if body else "Nowhere.\n"


def _row(
    network: str,
    where: str,
    what: str,
    known: Sequence[tuple[float, str]],
    own: Mapping[str, float],
) -> list[tuple[object, ...]]:
    """One row, or none where every build of Midge needs less than what is known."""
    if not known or not own or max(own.values()) <= min(known)[0]:
        return []
    least, who = min(known)
    builds = [_times(own.get(cc), least) for cc in ("zig", "gcc")]
    return [(network, where, what, _number(least), who, *builds)]


def _times(ours: float | None, least: float) -> str | None:
    return None if ours is None else f"{_number(ours)} ({ours / least:.2f} times)"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
