"""Kernels by rule, and what measuring them on the virtual core says."""

from __future__ import annotations

from dataclasses import replace

import pytest

import midge
from midge.c_emitter import Candidates, Choice, candidates, choose_kernels, leanest_kernels
from midge.c_emitter.choose import smallest_kernels
from midge.driver.measure import CYCLES, INSTRUCTIONS, measure_candidates
from midge.driver.settings import Settings
from midge.errors import DoesNotFitError
from midge.graph import Graph
from midge.passes import run_passes
from midge.virtual_mcu import target
from support.networks import dense, imported, mobile_chain
from support.tools import needs_qemu

DSP = frozenset({"dsp"})


def variants(choice: Choice) -> list[str | None]:
    return [None if kernel is None else kernel.variant for kernel in choice]


def quiet(_line: str) -> None:
    """Takes no note of progress."""


@pytest.fixture(scope="module")
def graph() -> Graph:
    return run_passes(imported(mobile_chain()))


@pytest.fixture(scope="module")
def small() -> Graph:
    return run_passes(imported(dense()))


@pytest.mark.tiny
def test_by_rule_the_last_candidate_that_may_is_taken(graph: Graph) -> None:
    rows = candidates(graph, DSP)
    for row, kernel in zip(rows, choose_kernels(graph, DSP), strict=True):
        assert kernel is row.by_rule
        if kernel is None:
            assert row.layer.op.kind == "reshape"
            continue
        assert kernel.by_rule
        later = row.kernels[row.kernels.index(kernel) + 1 :]
        assert not any(other.by_rule for other in later)
    plain = choose_kernels(graph, frozenset())
    assert all(kernel is None or not kernel.requires for kernel in plain)


@pytest.mark.tiny
def test_by_rule_the_leanest_have_the_least_scratch_and_the_smallest_the_fewest_constants(
    graph: Graph,
) -> None:
    for row, lean, small in zip(
        candidates(graph, DSP),
        leanest_kernels(graph, DSP),
        smallest_kernels(graph, DSP),
        strict=True,
    ):
        if not row.kernels:
            assert lean is small is None
            continue
        assert lean is not None
        assert small is not None
        assert small.by_rule or small.spares_flash
        scratch = [kernel.scratch_bytes(row.layer) for kernel in row.kernels]
        assert lean.scratch_bytes(row.layer) == min(scratch)


def test_every_candidate_is_measured_once_and_as_in_a_program_of_its_own(graph: Graph) -> None:
    settings = Settings(target("cortex-m4"))
    table = candidates(graph, settings.target.core.features)
    lines: list[str] = []
    costs = measure_candidates(graph, table, settings, lines.append)
    rounds = max(len(row.kernels) for row in table)
    assert len(lines) == rounds > 1
    assert lines[0].startswith(f"measuring kernels on cortex-m4: program 1 of {rounds}, ")
    assert costs.unit == CYCLES
    assert [len(row) for row in costs.rows] == [len(row.kernels) for row in table]
    assert all(offer is not None and offer.code_bytes > 0 for row in costs.rows for offer in row)
    rule = midge.compile(graph)
    result = rule.run()
    rows = {row.name: row for row in result.layers}
    for offers, row in zip(costs.rows, table, strict=True):
        if row.by_rule is None:
            continue
        offer, run = offers[row.kernels.index(row.by_rule)], rows[row.layer.op.name]
        assert offer is not None
        assert offer.weights_bytes == run.weights_bytes
        # A compiler may order the same instructions otherwise in another company.
        assert offer.cycles == pytest.approx(run.cycles, rel=0.05)
        assert offer.code_bytes == pytest.approx(run.code_bytes, rel=0.15)
        assert offer.arena_bytes <= rule.plan.arena_bytes


@needs_qemu
def test_without_a_cycle_model_instructions_are_what_counts() -> None:
    graph = run_passes(imported(dense()))
    settings = Settings(target("cortex-m55"))
    table = candidates(graph, settings.target.core.features)
    costs = measure_candidates(graph, table, settings, quiet)
    assert costs.unit == INSTRUCTIONS
    assert all(offer is not None and offer.cycles > 0 for row in costs.rows for offer in row)


def test_a_candidate_too_large_for_the_linker_is_no_offer(
    small: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    from midge.driver import measure

    settings = Settings(target("cortex-m4"))
    table = candidates(small, settings.target.core.features)
    culprit, row = next((i, row) for i, row in enumerate(table) if len(row.kernels) > 1)
    too_large = row.kernels[1]
    real = measure.realise

    def refusing(graph: Graph, choice: Choice, settings: Settings) -> midge.Artifact:
        if choice[culprit] is too_large:
            raise DoesNotFitError("too large")
        return real(graph, choice, settings)

    monkeypatch.setattr(measure, "realise", refusing)
    plain = tuple(Candidates(r.layer, r.kernels[:2]) for r in table)
    costs = measure_candidates(small, plain, settings, quiet)
    for i, (offers, candidate) in enumerate(zip(costs.rows, plain, strict=True)):
        missing = [j for j, offer in enumerate(offers) if offer is None]
        assert missing == ([1] if i == culprit else []), candidate.layer.op.name


def test_nothing_can_be_linked(small: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    from midge.driver import measure

    def refusing(*_: object) -> midge.Artifact:
        raise DoesNotFitError("never")

    monkeypatch.setattr(measure, "realise", refusing)
    settings = replace(Settings(target("cortex-m4")), keep_input=True)
    table = candidates(small, settings.target.core.features)
    with pytest.raises(DoesNotFitError, match="never"):
        measure_candidates(small, table, settings, quiet)


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
