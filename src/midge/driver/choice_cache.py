"""Measured costs, kept from one run of Midge to the next.

An entry belongs to everything that a cost depends on: the network with its constants, the target
with its flash, the compiler, the options, and the sources of Midge that emit, build and count. It
holds the costs of the whole network and not those of single layers: with a cache in front of the
flash a layer's cycles depend on what stands around it, and the same input must give the same
choice whatever was compiled before.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import midge
from midge.c_emitter import Candidates
from midge.c_emitter.choose_offers import Offer
from midge.driver.measure import CYCLES, INSTRUCTIONS, CostTable
from midge.driver.settings import Settings
from midge.graph import Graph, write_graph
from midge.toolchain import find_compiler
from midge.toolchain.compilers import cache_directory
from midge.version import VERSION

_FORMAT = 1
_ROOMS = ("graph", "memory_plan", "c_emitter", "device", "toolchain", "virtual_mcu", "driver")
_SOURCES = (".py", ".c", ".h", ".ld", ".toml")
_NUMBERS = ("code_bytes", "weights_bytes", "stack_bytes", "other_ram_bytes", "live_set_bytes")
_LARGEST_ENTRY_BYTES = 1 << 24


def entry_path(graph: Graph, table: Sequence[Candidates], settings: Settings) -> Path:
    """Where the costs of a network's candidates are kept.

    Args:
        graph: After all passes.
        table: Its candidates.
        settings: How it is compiled.

    Raises:
        ToolError: The cache directory cannot be made, or the compiler is missing.
    """
    target = settings.target
    parts = (
        VERSION,
        _sources_digest(),
        hashlib.sha256(write_graph(graph)).hexdigest(),
        repr(target.core.name),
        repr(target.board),
        find_compiler(settings.cc, target.core.name).version,
        settings.optimisation,
        repr(settings.keep_input),
        repr([[(k.function, k.variant) for k in row.kernels] for row in table]),
    )
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return cache_directory() / "choices" / f"{key[:32]}.json"


@functools.cache
def _sources_digest() -> str:
    root = Path(midge.__file__).parent
    key = hashlib.sha256()
    for room in _ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in _SOURCES and path.is_file():
                key.update(path.relative_to(root).as_posix().encode() + b"\0")
                key.update(hashlib.sha256(path.read_bytes()).digest())
    return key.hexdigest()


def read_entry(path: Path, table: Sequence[Candidates]) -> CostTable | None:
    """The costs that are kept there; None where there are none, or they are damaged."""
    try:
        if path.stat().st_size > _LARGEST_ENTRY_BYTES:
            return None
        return _table(json.loads(path.read_bytes()), table)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def write_entry(path: Path, costs: CostTable) -> None:
    """Keep costs. Where that fails they are measured again the next time.

    The entry appears whole or not at all; of two writers at once the last wins, with the same
    content.
    """
    content = {"format": _FORMAT, **asdict(costs)}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(content), "utf-8")
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()


def _table(content: Any, table: Sequence[Candidates]) -> CostTable:
    """Costs out of an entry.

    Raises:
        ValueError, TypeError, KeyError: it is none of this table.
    """
    if content["format"] != _FORMAT or content["unit"] not in (CYCLES, INSTRUCTIONS):
        raise ValueError
    rows = tuple(
        tuple(None if offer is None else _offer(offer) for offer in row) for row in content["rows"]
    )
    if [len(row) for row in rows] != [len(row.kernels) for row in table]:
        raise ValueError
    return CostTable(rows, content["unit"], *(_amount(content[name]) for name in _NUMBERS))


def _offer(content: Any) -> Offer:
    return Offer(
        cycles=_amount(content["cycles"]),
        weights_bytes=_amount(content["weights_bytes"]),
        code_bytes=_amount(content["code_bytes"]),
        shared=tuple((_text(name), _amount(size)) for name, size in content["shared"]),
        arena_bytes=_amount(content["arena_bytes"]),
    )


def _amount(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
