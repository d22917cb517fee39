"""Spoiled archives: a message or a graph that runs, never anything else."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
from pt2_files import MODEL, WEIGHTS, archive, entries, outcome, small_file

from midge.graph import Graph, interpret, verify

MUTATIONS = 300
STRANGE: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 7, 1 << 31, 1 << 63, 1 << 70, 1e308, "", "x", "Infinity", "aten"),
    *([], {}, [[]], {"as_int": 3}, {"as_tensor": {"name": "x"}}, {"as_none": True}, "\ud800"),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    members = value.items() if isinstance(value, dict) else ()
    members = enumerate(value) if isinstance(value, list) else members
    for key, child in members:
        found += _places(child, (*path, key))
    return found


def json_changed(parts: dict[str, bytes], rng: random.Random) -> bytes:
    """A value of the JSON replaced, taken out or put in another's place."""
    path = rng.choice([MODEL, MODEL, MODEL, WEIGHTS])
    whole = json.loads(parts[path])
    places = _places(whole)
    for _ in range(rng.randint(1, 3)):
        place = rng.choice(places)
        holder = whole
        try:
            for key in place[:-1]:
                holder = holder[key]
            how = rng.randrange(4)
            if how == 0:
                del holder[place[-1]]
            elif how == 1:
                other = whole
                for key in rng.choice(places):
                    other = other[key]
                holder[place[-1]] = json.loads(json.dumps(other))
            elif how == 2 and isinstance(holder[place[-1]], int):
                holder[place[-1]] += rng.choice((-1, 1, 2, 1000))
            else:
                holder[place[-1]] = rng.choice(STRANGE)
        except (KeyError, IndexError, TypeError):
            # An earlier change has taken the place away.
            continue
    return archive({**parts, path: json.dumps(whole).encode()})


def entry_spoiled(parts: dict[str, bytes], rng: random.Random) -> bytes:
    """An entry cut short, emptied, or with other bytes, under a right checksum."""
    path = rng.choice(sorted(parts))
    body = bytearray(parts[path])
    if rng.randrange(2) or not body:
        body = body[: rng.randrange(len(body) + 1)]
    else:
        body[rng.randrange(len(body))] = rng.randrange(256)
    return archive({**parts, path: bytes(body)})


def bytes_spoiled(parts: dict[str, bytes], rng: random.Random) -> bytes:
    """The file's own bytes: its directory among them."""
    data = bytearray(archive(parts))
    start = rng.choice((0, len(data) - 2000))
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(start, len(data))] ^= 1 << rng.randrange(8)
    return bytes(data[: rng.randrange(len(data))] if rng.randrange(4) == 0 else data)


def run(graph: Graph) -> None:
    """What verify accepts can be computed."""
    assert verify(graph) is graph
    tensors = [graph.tensors[n] for n in graph.inputs]
    interpret(graph, {t.name: np.zeros(t.shape, t.dtype.numpy) for t in tensors})


def test_spoiled_archives() -> None:
    parts = entries(small_file())
    assert outcome(archive(parts)) is not None
    accepted = refused = 0
    for seed in range(MUTATIONS):
        rng = random.Random(seed)
        kind = (json_changed, json_changed, entry_spoiled, bytes_spoiled)[seed % 4]
        try:
            graph = outcome(kind(parts, rng))
            if graph is None:
                refused += 1
            else:
                accepted += 1
                run(graph)
        except BaseException as error:
            error.add_note(f"{kind.__name__}, seed {seed}")
            raise
    assert refused > MUTATIONS // 3
    assert accepted > MUTATIONS // 10


def test_every_truncation_is_a_message() -> None:
    data = small_file()
    for size in range(0, len(data), 499):
        assert outcome(data[:size]) is None
