"""What a group promises the planner holds, to the byte, and no dead byte is relied on."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from midge.c_emitter import Choice, choose_kernels
from midge.c_emitter.streaming import row_table, stream_of
from midge.c_emitter.streaming_choice import choose_groups
from midge.c_emitter.streaming_layout import PlacedStream, place
from midge.driver.samples import random_sample
from midge.graph import Graph, interpret
from midge.memory_plan import Plan, Problem, plan_memory
from midge.virtual_mcu import CORES, MemoryView, UnicornMachine, open_machine
from support.streaming_bench import Streamed, build_streamed, unequal_outputs
from support.streaming_networks import random_images

CORE = "cortex-m4"
FEATURES = CORES[CORE].features
WORD = 4
LEAST_ROWS = 3
"""Of the output: the last row is written when nothing is needed any more, and proves nothing."""


def as_one_group(graph: Graph) -> tuple[Choice, PlacedStream] | None:
    """All of a network as a group, if it can be one."""
    choice = choose_kernels(graph, FEATURES)
    table = row_table(graph, choice, FEATURES)
    group = table.group((0, len(graph.ops) - 1))
    stream = None if group is None else stream_of(graph, group, table)
    return None if stream is None else (choice, place(stream))


@cache
def telling_networks() -> tuple[Graph, ...]:
    """Networks that are one group and have several rows to write."""
    graphs = (random_images(seed, layers=2 + seed % 4) for seed in range(200, 260))
    tall = [g for g in graphs if g.tensors[g.outputs[0]].shape[1] >= LEAST_ROWS]
    return tuple(g for g in tall if as_one_group(g) is not None)


def laid_out(graph: Graph, placed: PlacedStream, gap: int) -> Plan:
    """The input exactly `gap` bytes, rounded up to a word, behind the output; scratch apart."""
    gap = -(-gap // WORD) * WORD
    (x,), (y,) = graph.inputs, graph.outputs
    offsets = {y: max(-gap, 0), x: max(gap, 0)}
    end = max(at + graph.tensors[name].size_bytes for name, at in offsets.items())
    scratch = -(-end // 8) * 8
    return replace(
        plan_memory(Problem((), (), (), ())),
        order=(0,),
        offsets=offsets,
        scratch_offsets={graph.ops[-1].name: scratch},
        arena_bytes=scratch + placed.layout.size_bytes,
    )


def differs(graph: Graph, nearer: int) -> bool:
    """Run a network as one group, the input nearer to the output than was promised to be safe."""
    found = as_one_group(graph)
    assert found is not None
    choice, placed = found
    gap = placed.schedule.distances[graph.inputs[0]] - nearer
    plan = laid_out(graph, placed, gap)
    streamed = build_streamed(graph, choice, (placed.stream.group,), CORE, plan=plan)
    return bool(unequal_outputs(streamed, [random_sample(graph, n) for n in range(2)]))


@pytest.mark.parametrize("number", range(12))
def test_input_may_stand_as_near_as_promised(number: int) -> None:
    assert not differs(telling_networks()[number], nearer=0)


def test_input_that_stands_too_near_is_caught() -> None:
    # The test above can only be trusted if it sees a broken promise.
    caught = 0
    for graph in telling_networks()[2:8]:
        y = graph.tensors[graph.outputs[0]]
        caught += differs(graph, nearer=2 * y.size_bytes // y.shape[1] + WORD)
    assert caught >= 3


@pytest.mark.parametrize("seed", range(6))
def test_dead_bytes_may_hold_anything(seed: int) -> None:
    graph = random_images(seed, layers=8)
    choice = choose_kernels(graph, FEATURES)
    grouping = choose_groups(graph, choice, FEATURES)
    streamed = build_streamed(graph, choice, grouping.groups, CORE)
    machine = open_machine(streamed.program, emulator="unicorn")
    assert isinstance(machine, UnicornMachine)
    sample = random_sample(graph, seed)
    expected = interpret(graph, sample)
    random = np.random.default_rng(seed)
    ends = [i for i, s in enumerate(streamed.emitted.layer_symbols) if s is not None]
    poisoned = 0

    def poison(memory: MemoryView, position: int) -> None:
        nonlocal poisoned
        live = live_bytes(streamed, position)
        content = np.frombuffer(memory.read_arena(0, live.size), np.uint8).copy()
        content[~live] = random.integers(0, 256, np.count_nonzero(~live))
        memory.write_arena(0, content.tobytes())
        poisoned += int(np.count_nonzero(~live))

    def after_layer(index: int, memory: MemoryView) -> None:
        poison(memory, ends[index])

    machine.write_arena(0, random.bytes(streamed.plan.arena_bytes))
    raw = tuple(np.ascontiguousarray(sample[n]).tobytes() for n in graph.inputs)
    run = machine.run_layers(raw, after_layer)
    for content, name in zip(run.outputs, graph.outputs, strict=True):
        assert content == expected[name].tobytes()
    assert poisoned or len(ends) == 1


def live_bytes(streamed: Streamed, position: int) -> np.ndarray:
    """Which bytes are needed after the op at this position."""
    graph, plan = streamed.graph, streamed.plan
    last_read = {n: i for i, op in enumerate(graph.ops) for n in op.inputs if n}
    last_read |= dict.fromkeys(graph.outputs, len(graph.ops))
    live = np.zeros(plan.arena_bytes, bool)
    for index, op in enumerate(graph.ops[: position + 1]):
        for name in op.outputs:
            if name in plan.offsets and index <= position < last_read[name]:
                at = plan.offsets[name]
                live[at : at + graph.tensors[name].size_bytes] = True
    for name in graph.inputs:
        if position < last_read[name]:
            at = plan.offsets[name]
            live[at : at + graph.tensors[name].size_bytes] = True
    return live
