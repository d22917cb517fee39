from __future__ import annotations

from collections.abc import Sequence

import pytest

import midge
from midge.c_emitter import Choice, choose_kernels
from midge.c_emitter.choose import candidates
from midge.graph import Graph
from midge.passes import run_passes
from midge.synthetic.network_builder import NetworkBuilder
from support.networks import INPUT, conv, dense, imported, mobile_chain, network
from support.tools import needs_qemu

DSP = frozenset({"dsp"})


class Measure:
    """Costs by layer and variant, and a record of what was asked."""

    def __init__(self, costs: Sequence[dict[str, int]]) -> None:
        self.costs = costs
        self.asked: list[Choice] = []

    def __call__(self, choice: Choice) -> list[int]:
        self.asked.append(choice)
        return [
            0 if kernel is None else cost[kernel.variant]
            for kernel, cost in zip(choice, self.costs, strict=True)
        ]


def variants(choice: Choice) -> list[str | None]:
    return [None if kernel is None else kernel.variant for kernel in choice]


@pytest.fixture(scope="module")
def graph() -> Graph:
    return run_passes(imported(mobile_chain()))


@pytest.mark.tiny
def test_without_a_measure_the_last_candidate_is_taken(graph: Graph) -> None:
    rows = candidates(graph, DSP)
    chosen = choose_kernels(graph, DSP)
    assert chosen == tuple(row.kernels[-1] if row.kernels else None for row in rows)
    assert variants(chosen).count("dsp") >= 6
    assert variants(choose_kernels(graph, frozenset())).count("dsp") == 0
    assert chosen[[op.kind for op in graph.ops].index("reshape")] is None


@pytest.mark.tiny
def test_each_layer_keeps_its_cheapest_and_the_plainer_on_a_tie(graph: Graph) -> None:
    rows = candidates(graph, DSP)
    costs = [
        ({"portable": 10, "dsp": 20}, {"portable": 20, "dsp": 10}, {"portable": 7, "dsp": 7})[i % 3]
        for i in range(len(rows))
    ]
    measure = Measure(costs)
    chosen = choose_kernels(graph, DSP, measure)
    for number, (row, kernel) in enumerate(zip(rows, chosen, strict=True)):
        if len(row.kernels) == 2:
            assert kernel is row.kernels[(0, 1, 0)[number % 3]]
        else:
            assert kernel is (row.kernels[0] if row.kernels else None)


@pytest.mark.tiny
def test_measure_is_asked_once_for_each_rank_of_candidates(graph: Graph) -> None:
    rows = candidates(graph, DSP)
    measure = Measure([{"portable": 1, "dsp": 1}] * len(rows))
    choose_kernels(graph, DSP, measure)
    first = tuple(row.kernels[0] if row.kernels else None for row in rows)
    second = tuple(row.kernels[-1] if row.kernels else None for row in rows)
    assert measure.asked == [first, second]
    alone = Measure([])
    assert choose_kernels(graph, frozenset(), alone) == first
    assert not alone.asked, "where there is nothing to choose nothing is measured"


def test_measured_choice_is_never_dearer_and_computes_the_same() -> None:
    def add(builder: NetworkBuilder) -> str:
        # Two pixels by two outputs by four taps are computed for one of each.
        x = conv(builder, builder.input((1, 6, 5, 1), INPUT), 1, kernel=1)
        return conv(builder, x, 8)

    graph = imported(network("one_tap", add))
    by_rule = midge.compile(graph, target="nrf52840")
    measured = midge.compile(graph, target="nrf52840", measured=True)
    assert variants(by_rule.choice) == ["dsp", "dsp"]
    assert variants(measured.choice) == ["portable", "dsp"]
    rule, best = by_rule.run(), measured.run()
    assert [row.variant for row in best.layers] == ["portable", "dsp"]
    before, after = ([row.cycles_modelled or 0 for row in r.layers] for r in (rule, best))
    assert 0 < after[0] < before[0]
    # Code moves between the two programs, and with it the lines that the cache holds.
    assert 0 < after[1] <= 1.05 * before[1]
    assert rule.to_json()["outputs"] == best.to_json()["outputs"]


@needs_qemu
def test_costs_are_cycles_where_there_is_a_model_and_instructions_elsewhere() -> None:
    graph = imported(dense())
    board = midge.compile(graph, target="nrf52840")
    rows = {row.name: row for row in board.run().layers}
    assert board.layer_costs() == {
        op.name: rows[op.name].cycles_modelled if op.name in rows else 0 for op in board.graph.ops
    }
    m55 = midge.compile(graph, target="cortex-m55")
    instructions = {row.name: row.instructions for row in m55.run().layers}
    costs = m55.layer_costs()
    assert {name: cost for name, cost in costs.items() if cost} == instructions
