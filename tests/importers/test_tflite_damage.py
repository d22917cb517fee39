"""Truncated and bit-flipped files: a message or a graph that runs, never anything else."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest
import tflite
from tflite_files import coming_back, peak_memory_megabytes

from midge.errors import UserError
from midge.graph import Graph, format_graph, interpret, parse_graph, verify
from midge.importers import import_tflite
from midge.synthetic import random_network
from support.shared_data import mlperf_tiny_model, needs_mlperf_tiny

MUTATIONS = 300
RUN_EVERY = 8
LARGEST_GROWTH_MEGABYTES = 500.0
"""Of the whole process over all mutations; the models have 54 KB and less."""
WORDS = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FC00000, 1 << 16, 1 << 28)


@cache
def structure(data: bytes) -> list[int]:
    """Positions of the bytes that are not constants' elements: flips there change the graph."""
    free = np.ones(len(data), bool)
    origin = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    root = tflite.Model.GetRootAs(data, 0)
    for i in range(root.BuffersLength()):
        if root.Buffers(i).DataLength():
            content = root.Buffers(i).DataAsNumpy()
            start = content.__array_interface__["data"][0] - origin
            free[start : start + content.size] = False
    positions: list[int] = np.flatnonzero(free).tolist()
    return positions


def truncated(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def bits_flipped(data: bytes, rng: random.Random) -> bytes:
    spoiled = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        spoiled[rng.choice(structure(data))] ^= 1 << rng.randrange(8)
    return bytes(spoiled)


def byte_replaced(data: bytes, rng: random.Random) -> bytes:
    spoiled = bytearray(data)
    spoiled[rng.choice(structure(data))] = rng.randrange(256)
    return bytes(spoiled)


def word_replaced(data: bytes, rng: random.Random) -> bytes:
    spoiled = bytearray(data)
    struct.pack_into("<I", spoiled, rng.choice(structure(data)) & ~3, rng.choice(WORDS))
    return bytes(spoiled)


def part_copied(data: bytes, rng: random.Random) -> bytes:
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
    for seed in range(count):
        kind = KINDS[seed % len(KINDS)]
        yield f"{kind.__name__} seed {seed}", kind(data, random.Random(seed))


def outcome(data: bytes) -> Graph | None:
    """The graph of a spoiled file, None where it was refused as it should be."""
    try:
        return import_tflite(data, "m.tflite")
    except UserError as error:
        if not str(error).startswith("m.tflite: "):
            raise AssertionError(f"the message does not name the file: {error}") from error
        return None


def check(data: bytes, count: int) -> tuple[int, int]:
    """Numbers of files accepted and refused."""
    accepted = refused = 0
    before = peak_memory_megabytes()
    for name, spoiled in mutations(data, count):
        try:
            with coming_back():
                graph = outcome(spoiled)
                if graph is None:
                    refused += 1
                    continue
                accepted += 1
                assert verify(graph) is graph
                if accepted % RUN_EVERY == 0:
                    run(graph)
        except BaseException as error:
            error.add_note(f"mutation: {name}")
            raise
    assert peak_memory_megabytes() - before < LARGEST_GROWTH_MEGABYTES
    return accepted, refused


def run(graph: Graph) -> None:
    """What verify accepts can be computed, written and read."""
    tensors = [graph.tensors[n] for n in graph.inputs]
    interpret(graph, {t.name: np.zeros(t.shape, t.dtype.numpy) for t in tensors})
    constants = {n: t.data for n, t in graph.tensors.items() if t.data is not None}
    assert parse_graph(format_graph(graph), constants) == graph
    assert format_graph(graph, full=False)


@needs_mlperf_tiny
def test_a_spoiled_keyword_model() -> None:
    accepted, refused = check(mlperf_tiny_model("kws01_dscnn_int8"), MUTATIONS)
    assert accepted > MUTATIONS // 10
    assert refused > MUTATIONS // 3


@pytest.mark.parametrize("seed", [3, 11])
def test_spoiled_random_networks(seed: int) -> None:
    accepted, refused = check(random_network(seed).model_bytes, MUTATIONS // 2)
    assert accepted > 0
    assert refused > MUTATIONS // 10


@pytest.mark.tiny
def test_every_truncation_of_a_small_file_is_a_message() -> None:
    data = random_network(3, max_ops=2, max_elements=16).model_bytes
    for size in range(0, len(data), 7):
        assert outcome(data[:size]) is None
    assert outcome(data) is not None
