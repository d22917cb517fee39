"""Truncated and bit-flipped files: a message or a graph that runs, never anything else."""

from __future__ import annotations

import pytest

from midge.graph import verify
from midge.synthetic import random_network
from support import hostile
from support.bounds import coming_back, peak_memory_megabytes
from support.hostile import mutations, outcome, run
from support.shared_data import mlperf_tiny_model, needs_mlperf_tiny

MUTATIONS = 300
RUN_EVERY = 8
LARGEST_GROWTH_MEGABYTES = 500.0
"""Of the whole process over all mutations; the models have 54 KB and less."""


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


SPOILED = 300
BUILT_ONE_IN = 6


@pytest.mark.parametrize("part", range(10))
def test_spoiled_files_of_every_operator_and_type(part: int) -> None:
    """`python -m bench.soak --only hostile` does ten thousand of them."""
    counts: dict[str, int] = {}
    before = peak_memory_megabytes()
    for seed in range(part, SPOILED, 10):
        spoiled = hostile.spoiled_file(seed)
        try:
            with coming_back():
                answer = hostile.check(spoiled, build=seed % BUILT_ONE_IN == 0)
        except BaseException as error:
            error.add_note(spoiled.name)
            raise
        counts[answer] = counts.get(answer, 0) + 1
    assert counts["refused"] > SPOILED // 10 // 4
    assert counts.get("accepted", 0) + counts.get("built", 0) > 0
    assert peak_memory_megabytes() - before < LARGEST_GROWTH_MEGABYTES
