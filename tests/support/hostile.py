"""Spoiled files, and what may become of them: a message, or a network that runs cleanly.

Truncated, bit-flipped and rearranged .tflite files of every operator and type; floods that a
hostile hand would write stand in `tests/importers`.
"""

from __future__ import annotations

import random
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import tflite

from midge.c_emitter import choose_kernels
from midge.errors import UserError
from midge.graph import Graph, format_graph, interpret, parse_graph, verify
from midge.importers import import_tflite
from midge.passes import run_passes
from midge.synthetic import OPERATORS, random_network
from support.networks import every_single_op
from support.sanitized import run_checked, selftest

WORDS = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FC00000, 1 << 16, 1 << 28)
LARGEST_TO_BUILD_BYTES = 1 << 18
"""Constants and activations of a spoiled network that is worth a C compiler's time."""


@cache
def structure(data: bytes) -> list[int]:
    """Positions of the bytes that are not large constants' elements: flips there change the graph.

    Constants of up to 64 bytes count: axes, shapes and paddings are among them.
    """
    free = np.ones(len(data), bool)
    origin = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    root = tflite.Model.GetRootAs(data, 0)
    for i in range(root.BuffersLength()):
        if root.Buffers(i).DataLength() > 64:
            content = root.Buffers(i).DataAsNumpy()
            start = content.__array_interface__["data"][0] - origin
            free[start : start + content.size] = False
    positions: list[int] = np.flatnonzero(free).tolist()
    return positions


def truncated(data: bytes, rng: random.Random) -> bytes:
    """A file that ends early."""
    return data[: rng.randrange(len(data))]


def bits_flipped(data: bytes, rng: random.Random) -> bytes:
    """Up to four bits."""
    spoiled = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        spoiled[rng.choice(structure(data))] ^= 1 << rng.randrange(8)
    return bytes(spoiled)


def byte_replaced(data: bytes, rng: random.Random) -> bytes:
    """Any other byte."""
    spoiled = bytearray(data)
    spoiled[rng.choice(structure(data))] = rng.randrange(256)
    return bytes(spoiled)


def word_replaced(data: bytes, rng: random.Random) -> bytes:
    """A word that breaks carelessly written arithmetic."""
    spoiled = bytearray(data)
    at = min(rng.choice(structure(data)) & ~3, len(data) - 4)
    struct.pack_into("<I", spoiled, at, rng.choice(WORDS))
    return bytes(spoiled)


def part_copied(data: bytes, rng: random.Random) -> bytes:
    """Tables and vectors in each other's places."""
    spoiled = bytearray(data)
    to, start = (rng.choice(structure(data)) & ~3 for _ in range(2))
    size = rng.choice((4, 8, 16, 64))
    spoiled[to : to + size] = data[start : start + size]
    return bytes(spoiled)


KINDS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    truncated,
    bits_flipped,
    byte_replaced,
    word_replaced,
    part_copied,
)


def mutations(data: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    """So many spoiled files of one, with what makes each again."""
    for seed in range(count):
        kind = KINDS[seed % len(KINDS)]
        yield f"{kind.__name__} seed {seed}", kind(data, random.Random(seed))


@dataclass(frozen=True)
class Spoiled:
    """A spoiled file.

    Attributes:
        name: What makes it again.
        data: Its bytes.
    """

    name: str
    data: bytes


@cache
def _singles() -> tuple[tuple[str, bytes], ...]:
    return tuple((made.name, made.model_bytes) for made in every_single_op())


def spoiled_file(seed: int) -> Spoiled:
    """A spoiled file of one operator alone, or in one of four cases of a random network."""
    rng = random.Random(seed)
    if seed % 4 == 0:
        dtype = rng.choice(("int8", "int16", "float32"))
        made = random_network(seed, ops=OPERATORS, dtype=dtype, max_ops=5, max_elements=256)
        name, data = made.name, made.model_bytes
    else:
        singles = _singles()
        name, data = singles[seed * 7919 % len(singles)]
    kind = KINDS[rng.randrange(len(KINDS))]
    return Spoiled(f"{kind.__name__} of {name}, seed {seed}", kind(data, rng))


def outcome(data: bytes) -> Graph | None:
    """The graph of a spoiled file, None where it was refused as it should be."""
    try:
        return import_tflite(data, "m.tflite")
    except UserError as error:
        if not str(error).startswith("m.tflite: "):
            raise AssertionError(f"the message does not name the file: {error}") from error
        return None


def run(graph: Graph) -> None:
    """What verify accepts can be computed, written and read."""
    tensors = [graph.tensors[n] for n in graph.inputs]
    interpret(graph, {t.name: np.zeros(t.shape, t.dtype.numpy) for t in tensors})
    constants = {n: t.data for n, t in graph.tensors.items() if t.data is not None}
    assert parse_graph(format_graph(graph), constants) == graph
    assert format_graph(graph, full=False)


def compile_and_run(graph: Graph) -> bool:
    """The emitted C of a graph runs on this machine without a fault that a sanitizer sees.

    Returns:
        False where it was refused with a message, or is too large to be worth a build.
    """
    if sum(t.size_bytes for t in graph.tensors.values()) > LARGEST_TO_BUILD_BYTES:
        return False
    try:
        lowered = run_passes(graph)
        choose_kernels(lowered, frozenset())
    except UserError:
        return False
    sanitizers = ("address", "undefined") if shutil.which("gcc") else ("undefined",)
    done = run_checked(selftest(graph), *sanitizers)
    # Its return value counts the samples that differ: NaN may differ in its payload.
    assert done.returncode in (0, 1, 2, 3), done
    assert done.stderr == "", done
    return True


def check(spoiled: Spoiled, *, build: bool) -> str:
    """Judge one spoiled file: ``refused``, ``accepted`` or ``built``; raises on anything else."""
    graph = outcome(spoiled.data)
    if graph is None:
        return "refused"
    assert verify(graph) is graph
    run(graph)
    if build and compile_and_run(graph):
        return "built"
    return "accepted"
