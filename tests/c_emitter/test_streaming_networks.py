"""Layers that run row by row give what the interpreter says, on every core and compiler."""

from __future__ import annotations

import numpy as np
import pytest

from midge.c_emitter import Choice, choose_kernels, leanest_kernels
from midge.c_emitter.streaming import Group, RowTable, row_table, stream_of
from midge.driver.samples import random_sample
from midge.graph import Graph
from midge.virtual_mcu import CORES
from support.effort import sample_of
from support.streaming_bench import build_streamed, unequal_outputs
from support.streaming_networks import random_images
from support.tools import GCC

BENCHES = (
    ("cortex-m4", "zig", "-O2"),
    ("cortex-m0plus", "zig", "-Os"),
    ("cortex-m4", GCC, "-O3"),
    ("rv32imc", "zig", "-O2"),
    ("cortex-m33", GCC, "-O1"),
    ("cortex-m7", "zig", "-O0"),
)
SEEDS = sample_of(list(range(150)), 37)


def random_groups(graph: Graph, table: RowTable, seed: int) -> tuple[Group, ...]:
    """Groups wherever there can be some, of random length; the first is fed for some seeds."""
    random = np.random.default_rng(seed)
    groups: list[Group] = []
    at = 0
    while at < len(graph.ops):
        fed = at == 0 and seed % 3 == 2
        possible = [
            group
            for last in range(at, len(graph.ops))
            if (group := table.group((at, last), fed=fed)) is not None
            and stream_of(graph, group, table) is not None
        ]
        if not possible or (random.random() < 0.2 and not fed):
            at += 1
            continue
        # Long ones more often: they have more that can go wrong.
        groups.append(possible[max(random.integers(len(possible), size=2))])
        at = groups[-1].last + 1
    return tuple(groups)


def choice_of(graph: Graph, core: str, seed: int) -> Choice:
    features = CORES[core].features
    return (choose_kernels if seed % 2 else leanest_kernels)(graph, features)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_networks_equal_the_interpreter(seed: int) -> None:
    core, cc, optimisation = BENCHES[seed % len(BENCHES)]
    graph = random_images(seed, layers=3 + seed % 6)
    choice = choice_of(graph, core, seed // len(BENCHES))
    groups = random_groups(graph, row_table(graph, choice, CORES[core].features), seed)
    assert groups, "a network of image layers has something to run row by row"
    streamed = build_streamed(graph, choice, groups, core, cc, optimisation)
    assert streamed.program.static_bytes == 0
    samples = [random_sample(graph, number) for number in range(3)]
    assert not unequal_outputs(streamed, samples)
