"""Boards as data, and targets: what ``--target`` names.

The numbers, each with its source, stand in ``boards.toml`` beside this file.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from midge.errors import InternalError, UserError
from midge.virtual_mcu.cores import CORES, Core


@dataclass(frozen=True)
class CacheGeometry:
    """A cache with least-recently-used replacement, or a line buffer (one set, one way).

    Attributes:
        line_bytes: bytes that are fetched together.
        sets: lines with different index bits.
        ways: lines with the same index bits.
    """

    line_bytes: int
    sets: int
    ways: int

    @property
    def size_bytes(self) -> int:
        """Bytes that it holds."""
        return self.line_bytes * self.sets * self.ways


@dataclass(frozen=True)
class FlashMemory:
    """What stands between a core and its flash.

    Attributes:
        fetch: what instruction fetches go through.
        data: what data reads go through; None when ``fetch`` serves both.
        fetch_miss_cycles: core cycles lost waiting for a line of code; None when not published.
        data_miss_cycles: core cycles lost waiting for a line of data; None when not published.
        prefetch: whether the next line is fetched while the current one is executed.
        data_read_cycles: core cycles lost on every data read, hit or miss.
    """

    fetch: CacheGeometry
    data: CacheGeometry | None
    fetch_miss_cycles: int | None
    data_miss_cycles: int | None
    prefetch: bool
    data_read_cycles: int = 0

    @property
    def unified(self) -> bool:
        """Whether one cache serves instruction fetches and data reads."""
        return self.data is None


@dataclass(frozen=True)
class Energy:
    """What computing costs.

    Attributes:
        current_ma: supply current while the core computes, milliamperes.
        supply_v: supply voltage, volts.
        clock_hz: the clock at which it was measured.
    """

    current_ma: float
    supply_v: float
    clock_hz: int

    @property
    def pj_per_cycle(self) -> float:
        """Energy of one cycle, picojoules."""
        return self.current_ma * self.supply_v * 1e9 / self.clock_hz


@dataclass(frozen=True)
class Board:
    """A chip on its usual board.

    Attributes:
        name: the name that ``--target`` takes.
        title: the vendor's name, for people.
        core: its core.
        clock_hz: the clock at which cycles become time.
        ram_bytes: RAM in one piece.
        flash_bytes: non-volatile memory for code and weights.
        multiplier_cycles: cycles of MULS on a Cortex-M0+; 1 elsewhere.
        flash: what stands before the flash; None on boards that are not emulated.
        energy: what computing costs; None when no figure is published.
        sources: where each number comes from.
        unverified: keys of ``sources`` that wait for a second reading of the document.
    """

    name: str
    title: str
    core: Core
    clock_hz: int
    ram_bytes: int
    flash_bytes: int
    multiplier_cycles: int
    flash: FlashMemory | None
    energy: Energy | None
    sources: Mapping[str, str]
    unverified: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """What a program is compiled for: a board, or a bare core without clock and limits.

    Attributes:
        name: the name it was asked for by, in its listed form.
        core: the core that runs it.
        board: the board around the core; None for a bare core.
    """

    name: str
    core: Core
    board: Board | None

    @property
    def title(self) -> str:
        """The vendor's name, for people."""
        return self.board.title if self.board else self.core.title

    @property
    def clock_hz(self) -> int | None:
        """The clock, or None for a bare core, which then has neither latency nor energy."""
        return self.board.clock_hz if self.board else None

    @property
    def ram_bytes(self) -> int | None:
        """RAM, or None for a bare core, which has no limit."""
        return self.board.ram_bytes if self.board else None

    @property
    def flash_bytes(self) -> int | None:
        """Flash, or None for a bare core, which has no limit."""
        return self.board.flash_bytes if self.board else None

    @property
    def flash(self) -> FlashMemory | None:
        """What stands before the flash, or None for a bare core: no wait states."""
        return self.board.flash if self.board else None

    @property
    def energy(self) -> Energy | None:
        """What computing costs, or None when that is unknown."""
        return self.board.energy if self.board else None

    @property
    def multiplier_cycles(self) -> int:
        """Cycles of MULS on a Cortex-M0+; a bare core has the fast multiplier."""
        return self.board.multiplier_cycles if self.board else 1

    @property
    def cycle_model(self) -> str | None:
        """The name of the core's cycle model, or None."""
        return self.core.cycle_model


def _geometry(entry: Mapping[str, int] | None) -> CacheGeometry | None:
    return CacheGeometry(**entry) if entry is not None else None


def _flash(entry: Mapping[str, Any] | None) -> FlashMemory | None:
    if entry is None:
        return None
    fetch = _geometry(entry["fetch"])
    if fetch is None:  # pragma: no cover - the key is required
        raise InternalError("boards.toml: a flash table without a fetch cache")
    return FlashMemory(
        fetch=fetch,
        data=_geometry(entry.get("data")),
        fetch_miss_cycles=entry.get("fetch_miss_cycles"),
        data_miss_cycles=entry.get("data_miss_cycles"),
        prefetch=entry["prefetch"],
        data_read_cycles=entry.get("data_read_cycles", 0),
    )


def _board(name: str, entry: Mapping[str, Any]) -> Board:
    energy = entry.get("energy")
    return Board(
        name=name,
        title=entry["title"],
        core=CORES[entry["core"]],
        clock_hz=entry["clock_hz"],
        ram_bytes=entry["ram_bytes"],
        flash_bytes=entry["flash_bytes"],
        multiplier_cycles=entry.get("multiplier_cycles", 1),
        flash=_flash(entry.get("flash")),
        energy=Energy(clock_hz=entry["clock_hz"], **energy) if energy else None,
        sources=MappingProxyType(dict(entry["sources"])),
        unverified=tuple(entry.get("unverified", ())),
    )


def _load() -> Mapping[str, Board]:
    text = resources.files("midge.virtual_mcu").joinpath("boards.toml").read_text("utf-8")
    boards = {}
    for name, entry in tomllib.loads(text).items():
        try:
            boards[name] = _board(name, entry)
        except (KeyError, TypeError) as error:
            raise InternalError(
                f"boards.toml: board {name!r}: {type(error).__name__}: {error}; the head of the "
                f"file "
                "says which keys a board has"
            ) from error
    return MappingProxyType(boards)


BOARDS: Mapping[str, Board] = _load()
"""Every board by name, in the order in which they are listed to users."""


def targets() -> tuple[Target, ...]:
    """Every target: the bare cores first, then the boards."""
    cores = tuple(Target(core.name, core, None) for core in CORES.values())
    boards = tuple(Target(board.name, board.core, board) for board in BOARDS.values())
    return cores + boards


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@cache
def _by_plain_name() -> dict[str, Target]:
    return {_plain(entry.name): entry for entry in targets()}


def target(name: str) -> Target:
    """Find a target by the name of a core or board.

    Args:
        name: the name; case and punctuation do not matter (``nRF52840``, ``Cortex-M4``).

    Returns:
        the target.

    Raises:
        UserError: no core or board has that name; the message lists those that do.
    """
    known = _by_plain_name()
    found = known.get(_plain(name))
    if found is not None:
        return found
    near = difflib.get_close_matches(_plain(name), known, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(known[match].name for match in near)}? " if near else ""
    cores = ", ".join(entry.name for entry in known.values() if entry.board is None)
    boards = ", ".join(entry.name for entry in known.values() if entry.board is not None)
    raise UserError(
        f"--target: no core or board is called {name!r}; {hint}"
        f"cores: {cores}; boards: {boards}. `midge targets` describes them"
    )
