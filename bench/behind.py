"""Where another needs less than Midge: found in the figures, so that no page can leave it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

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


def behind_quoted(rows: Sequence[Counted]) -> list[str]:
    """Quoted counts and latencies below Midge's, as lines of Markdown."""
    lines = []
    for peer in COUNTS:
        for row in rows:
            count = peer.of(row.network) if row.core == peer.core else None
            if count is not None and count < row.instructions:
                remark = f" ({peer.remark})" if peer.remark else ""
                lines.append(
                    f"- {row.network} on {row.core}, instructions: {peer.software} by "
                    f"{peer.compiler}{remark} {count:,}, Midge by {row.cc} "
                    f"{row.instructions:,}: {row.instructions / count:.2f} times."
                )
    for quoted in LATENCIES:
        for row in rows:
            if row.core != quoted.board or row.latency_ms is None:
                continue
            theirs = quoted.milliseconds[NETWORKS.index(row.network)]
            ours = row.latency_ms[1] or row.latency_ms[0]
            if theirs is not None and theirs < ours:
                lines.append(
                    f"- {row.network} on {row.core}, latency: {quoted.software} {theirs:g} ms on "
                    f"silicon, Midge by {row.cc} {ours:.3g} ms by the model: "
                    f"{ours / theirs:.2f} times."
                )
    return lines


def behind_peers(rows: Sequence[Compared]) -> list[str]:
    """Peers' figures below Midge's with the same C compiler, as lines of Markdown."""
    own = {(row.network, row.compiler): row for row in rows if row.tool.startswith("Midge")}
    lines = []
    for row in rows:
        midge = own.get((row.network, row.compiler))
        if midge is None or row is midge:
            continue
        for what, theirs, ours in (
            ("instructions", row.instructions, midge.instructions),
            ("bytes of flash", row.flash, midge.flash),
            ("bytes of RAM", row.ram, midge.ram),
        ):
            if theirs is not None and ours is not None and theirs < ours:
                lines.append(
                    f"- {row.network}, {what}: {row.tool} {row.variant} {theirs:,}, Midge {ours:,} "
                    f"(both by {row.compiler})."
                )
    return lines
