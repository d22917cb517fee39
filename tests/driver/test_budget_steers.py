"""Budgets of RAM and flash: kernels are chosen within them, or nothing smaller was found."""

from __future__ import annotations

import pytest

import midge
from midge.c_emitter import choose_kernels, sparing_kernels
from midge.c_emitter.choose import LITTLE_SCRATCH_BYTES, candidates
from midge.driver.artifact import Artifact
from midge.driver.budget import Budget, check_budget
from midge.driver.fit import over_budget
from midge.errors import DoesNotFitError
from midge.graph import Graph
from midge.synthetic.network_builder import NetworkBuilder
from midge.virtual_mcu import CORES
from support.networks import INPUT, classifier, conv, depthwise, imported, network


@pytest.fixture(scope="module")
def graph() -> Graph:
    """Measuring the kernels of so few layers takes a third of what a whole chain takes."""

    def add(builder: NetworkBuilder) -> str:
        x = conv(builder, builder.input((1, 12, 12, 3), INPUT), 8, stride=2)
        x = conv(builder, depthwise(builder, x), 12, kernel=1)
        return classifier(builder, x, 6)

    return imported(network("short_chain", add))


@pytest.fixture(scope="module")
def fast(graph: Graph) -> Artifact:
    return midge.compile(graph, optimize="speed", measured=True)


def ram_of(artifact: Artifact) -> int:
    return artifact.ram_bytes(artifact.stack_bound_bytes or 0).total


def test_a_budget_of_flash_takes_kernels_that_fit(graph: Graph, fast: Artifact) -> None:
    budget = fast.flash_bytes.total - 200
    small = midge.compile(graph, optimize="speed", measured=True, flash_budget=budget)
    assert small.flash_bytes.total <= budget
    assert not over_budget(small)
    check_budget(small, small.run(), Budget(flash_bytes=budget), pytest.fail)
    same = midge.compile(graph, optimize="speed", measured=True, flash_budget=1 << 20)
    assert same.emitted.files == fast.emitted.files


def test_a_budget_of_ram_takes_kernels_that_fit(graph: Graph, fast: Artifact) -> None:
    least = midge.compile(graph, optimize="ram", measured=True)
    budget = (ram_of(fast) + ram_of(least)) // 2
    assert ram_of(least) < budget < ram_of(fast)
    lean = midge.compile(graph, optimize="speed", measured=True, ram_budget=budget)
    assert ram_of(lean) <= budget


def test_where_nothing_fits_the_least_is_found_and_said(graph: Graph, fast: Artifact) -> None:
    nearest = midge.compile(graph, optimize="speed", measured=True, flash_budget=1000)
    assert 1000 < nearest.flash_bytes.total < fast.flash_bytes.total
    with pytest.raises(DoesNotFitError, match=r"flash: needs [\d,]+ bytes, the least that was f"):
        check_budget(nearest, nearest.run(), Budget(flash_bytes=1000), lambda _: None)


def test_by_rule_budgets_hold_too_or_the_nearest_is_taken(graph: Graph) -> None:
    plain = midge.compile(graph)
    lean = midge.compile(graph, ram_budget=ram_of(plain) - 1)
    assert ram_of(lean) < ram_of(plain)
    assert over_budget(midge.compile(graph, ram_budget=100))


@pytest.mark.tiny
def test_rows_by_rule_take_kernels_with_little_scratch(graph: Graph) -> None:
    features = CORES["cortex-m4"].features
    for row, kernel in zip(
        candidates(graph, features), sparing_kernels(graph, features), strict=True
    ):
        if kernel is not None:
            scratch = [k.scratch_bytes(row.layer) for k in row.kernels]
            assert kernel.scratch_bytes(row.layer) <= max(LITTLE_SCRATCH_BYTES, min(scratch))
    assert len(choose_kernels(graph, features)) == len(graph.ops)
