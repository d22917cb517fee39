"""`optimize`: each goal's limits, measured or by rule, remembered, and the same every time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import midge
from midge.c_emitter import choose_kernels, leanest_kernels
from midge.c_emitter.choose import candidates, smallest_kernels
from midge.c_emitter.choose_offers import Limits, Offer
from midge.driver import choice_cache, selection
from midge.driver.goals import GOALS, Board, limits_of
from midge.driver.measure import CostTable
from midge.driver.report_data import report_of
from midge.driver.selection import excess_bytes, levels_for
from midge.driver.settings import Settings
from midge.errors import DoesNotFitError, UserError
from midge.graph import Graph, interpret, outputs_of
from midge.passes import run_passes
from midge.synthetic import SyntheticNetwork
from midge.synthetic.model_description import AddOptions
from midge.synthetic.network_builder import NetworkBuilder
from midge.virtual_mcu import CORES, target
from support.networks import INPUT, classifier, conv, dense, imported, mobile_chain, network


@pytest.fixture(scope="module")
def graph() -> Graph:
    return imported(mobile_chain())


@pytest.fixture(scope="module")
def small() -> Graph:
    return imported(dense())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for remembered choices alone."""
    monkeypatch.setattr(choice_cache, "cache_directory", lambda: tmp_path)
    return tmp_path / "choices"


@pytest.mark.tiny
def test_a_goal_that_is_none_is_refused_with_those_there_are(graph: Graph) -> None:
    with pytest.raises(UserError, match=r"optimize: 'fast' is no goal; expected one of balanced, "):
        midge.compile(graph, optimize="fast")


@pytest.mark.tiny
def test_limits_of_each_goal() -> None:
    bare, board = Board(), Board(flash_bytes=50_000, arena_bytes=9_000)
    assert limits_of("speed", 1000, 8000, bare) == Limits()
    assert limits_of("speed", 1000, 8000, board) == Limits(None, None, 50_000, 9_000)
    assert limits_of("balanced", 1000, 8000, bare) == Limits(1500, 24_576, None, 12_096)
    assert limits_of("balanced", 1000, 8000, board) == Limits(1500, 24_576, 50_000, 9_000)
    assert limits_of("flash", 1000, 8000, bare) == Limits(1050, 12_288, None, None)
    assert limits_of("ram", 1000, 8000, bare) == Limits()
    flash, balanced, speed = (
        Settings(target("cortex-m4"), optimize=goal) for goal in ("flash", "balanced", "speed")
    )
    assert levels_for(flash, None) == levels_for(balanced, None) == ("-O2", "-Os")
    assert levels_for(flash, "-O3") == ("-O3",)
    assert levels_for(speed, None) == ("-O2",)
    assert levels_for(replace(speed, flash_budget=65536), None) == ("-O2", "-Os")


def test_by_rule_each_goal_has_kernels_of_its_own(graph: Graph) -> None:
    features = CORES["cortex-m4"].features
    lowered = run_passes(graph)
    for goal, rule in zip(
        GOALS, (choose_kernels, choose_kernels, leanest_kernels, smallest_kernels), strict=True
    ):
        artifact = midge.compile(graph, optimize=goal)
        assert artifact.choice == rule(lowered, features)
        assert artifact.selection is None
        assert artifact.settings.optimize == goal
        report = report_of(artifact, None)
        assert (report["optimize"], report["selection"]) == (goal, None)


def one_block() -> SyntheticNetwork:
    """A block with a way around: an operator of every kind of `residual_branches`."""

    def add(builder: NetworkBuilder) -> str:
        x = conv(builder, builder.input((1, 8, 8, 3), INPUT), 8)
        return classifier(builder, builder.add(x, conv(builder, x, 8), AddOptions("RELU")), 5)

    return network("one_block", add)


@pytest.mark.parametrize(("made_by", "place"), [(dense, "cortex-m4"), (one_block, "nrf52840")])
def test_each_goal_is_best_at_what_it_asks_for(
    made_by: Callable[[], SyntheticNetwork], place: str, cache: Path
) -> None:
    graph = imported(made_by())
    made = {g: midge.compile(graph, target=place, optimize=g, measured=True) for g in GOALS}
    runs = {goal: artifact.run() for goal, artifact in made.items()}
    cycles = {goal: run.cycles_modelled or 0 for goal, run in runs.items()}
    arenas = {goal: artifact.plan.arena_bytes for goal, artifact in made.items()}
    # Code moves between two programs, and with it the lines that a cache holds.
    assert cycles["speed"] <= 1.02 * min(cycles.values())
    assert arenas["ram"] == min(arenas.values())
    assert made["balanced"].plan.arena_bytes <= made["balanced"].plan.live_set_bytes + 4096
    for goal, artifact in made.items():
        assert artifact.selection is not None
        limits = artifact.selection.limits
        for limit, used in (
            (limits.code_bytes, artifact.flash_bytes.code),
            (limits.flash_bytes, artifact.flash_bytes.total),
            (limits.arena_bytes, artifact.plan.arena_bytes),
        ):
            assert limit is None or used <= limit, goal
        sample = {
            name: np.full(t.shape, 7, t.dtype.numpy)
            for name, t in ((n, graph.tensors[n]) for n in graph.inputs)
        }
        expected = outputs_of(graph, interpret(graph, sample))
        outputs = artifact.run(sample).outputs
        found = outputs if isinstance(outputs, dict) else {graph.outputs[0]: outputs}
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)
    assert len(list(cache.iterdir())) in (1, 2), "one entry serves every goal; -Os has its own"


def test_costs_are_remembered(small: Graph, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = midge.compile(small, measured=True, optimize="speed")
    (entry,) = cache.iterdir()
    content = entry.read_bytes()

    def never(*_: object) -> None:
        raise AssertionError("what is remembered is not measured")

    with monkeypatch.context() as patched:
        patched.setattr(selection, "measure_candidates", never)
        again = midge.compile(small, measured=True, optimize="speed")
    assert (again.emitted, again.selection) == (first.emitted, first.selection)
    entry.write_bytes(content[:-9])
    repaired = midge.compile(small, measured=True, optimize="speed")
    assert repaired.emitted == first.emitted
    assert entry.read_bytes() == content, "what is measured anew replaces what was damaged"


@pytest.mark.tiny
def test_damaged_entries_are_not_believed(small: Graph, tmp_path: Path) -> None:
    table = candidates(run_passes(small), CORES["cortex-m4"].features)
    offer = Offer(3, 4, 5, (("tile", 6),), 7)
    costs = CostTable(tuple((offer,) * len(r.kernels) for r in table), "cycles", 1, 2, 3, 4, 5)
    path = tmp_path / "new" / "entry.json"
    assert choice_cache.read_entry(path, table) is None
    choice_cache.write_entry(path, costs)
    assert choice_cache.read_entry(path, table) == costs
    text = path.read_text()
    for found, changed in (
        ('"cycles": 3', '"cycles": -3'),
        ('"cycles": 3', '"cycles": 3.5'),
        ('"cycles": 3', '"cycles": true'),
        ('"cycles": 3', '"cycles": NaN'),
        ('"cycles": 3, ', ""),
        ('["tile", 6]', '["tile"]'),
        ('["tile", 6]', "[6, 6]"),
        ('"unit": "cycles"', '"unit": "miles"'),
        ('"format": 1', '"format": 0'),
        ('"rows": [[', '"rows": [[null], ['),
        ('"stack_bytes": 3', '"stack_bytes": "3"'),
    ):
        assert found in text
        path.write_text(text.replace(found, changed, 1))
        assert choice_cache.read_entry(path, table) is None, changed
    for content in (b"", b"[]", b"{}", b"null", text.encode()[:-1], b"\xff", b"[" * 100_000):
        path.write_bytes(content)
        assert choice_cache.read_entry(path, table) is None, content[:20]


def test_other_weights_or_options_have_other_entries(graph: Graph) -> None:
    def entry(graph: Graph, place: str, **options: object) -> Path:
        settings = Settings(target(place), **options)  # type: ignore[arg-type]
        table = candidates(graph, settings.target.core.features)
        return choice_cache.entry_path(graph, table, settings)

    lowered = run_passes(graph)
    known = entry(lowered, "cortex-m4")
    assert known == entry(lowered, "cortex-m4", optimize="ram"), "costs do not depend on the goal"
    name = next(n for n, t in lowered.tensors.items() if t.is_constant)
    tensor = lowered.tensors[name]
    assert tensor.data is not None
    changed = np.array(tensor.data)
    changed.reshape(-1)[0] ^= 1
    other = replace(lowered, tensors={**lowered.tensors, name: replace(tensor, data=changed)})
    others = {
        entry(other, "cortex-m4"),
        entry(lowered, "nrf52840"),
        entry(lowered, "cortex-m7"),
        entry(lowered, "cortex-m4", keep_input=True),
        entry(lowered, "cortex-m4", optimisation="-Os"),
    }
    assert len(others | {known}) == 6, "each has its own"


def test_a_cache_that_cannot_be_written_costs_time_only(
    small: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "choices").write_text("a file where a folder should be")
    monkeypatch.setattr(choice_cache, "cache_directory", lambda: tmp_path)
    artifact = midge.compile(small, measured=True)
    assert artifact.selection is not None


def test_cold_and_remembered_give_the_same_bytes(
    small: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for folder in ("a", "b", "b"):
        monkeypatch.setattr(choice_cache, "cache_directory", lambda f=folder: tmp_path / f)
        lines: list[str] = []
        artifact = midge.compile(small, target="nrf52840", measured=True, progress=lines.append)
        report = report_of(artifact, artifact.run())
        found.append((artifact.emitted, artifact.built.elf, json.dumps(report), bool(lines)))
    assert found[0] == found[1]
    assert found[2] == (*found[1][:3], False)


@pytest.mark.usefixtures("cache")
def test_report_holds_what_every_kernel_would_have_cost(small: Graph) -> None:
    artifact = midge.compile(small, measured=True, optimize="flash")
    told = report_of(artifact, artifact.run())["selection"]
    assert (told["goal"], told["unit"]) == ("flash", "cycles")
    assert [line["what"] for line in told["limits"]] == ["weights", "code"]
    kernels = dict(zip((op.name for op in artifact.graph.ops), artifact.choice, strict=True))
    assert len(told["layers"]) == len([k for k in kernels.values() if k is not None])
    rows = {
        row.layer.op.name: row for row in candidates(artifact.graph, CORES["cortex-m4"].features)
    }
    for layer in told["layers"]:
        row, kernel = rows[layer["name"]], kernels[layer["name"]]
        assert [k["variant"] for k in layer["kernels"]] == [k.variant for k in row.kernels]
        assert row.kernels[layer["taken"]] is kernel
        assert all(k["cost"] >= 0 and k["weights_bytes"] >= 0 for k in layer["kernels"])
    assert excess_bytes(artifact) == sum(
        max(0, line["used_bytes"] - line["limit_bytes"]) for line in told["limits"]
    )


@pytest.mark.usefixtures("cache")
def test_a_board_that_is_too_small_is_refused_with_what_holds_its_memory() -> None:
    def add(builder: NetworkBuilder) -> str:
        return conv(builder, builder.input((1, 300, 300, 3), INPUT), 1, kernel=1)

    with pytest.raises(DoesNotFitError, match=r"RAM: needs \d+ bytes, the board has 262144"):
        midge.compile(imported(network("large", add)), target="nrf52840", measured=True)


def test_what_nothing_emulates_is_chosen_by_rule(graph: Graph) -> None:
    artifact = midge.compile(graph, target="xtensa-lx7", measured=True, optimize="ram")
    assert artifact.selection is None
    assert artifact.program is None
