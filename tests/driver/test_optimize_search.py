"""The search for the cheapest kernels within limits, against trying everything."""

from __future__ import annotations

import itertools
import random

import pytest

from midge.c_emitter.choose_offers import Limits, Offer, totals
from midge.c_emitter.choose_search import cheapest

Rows = list[list[Offer]]


def random_rows(source: random.Random, layers: int, most: int) -> Rows:
    """Layers whose kernels share some of four tiles."""
    tiles = [(f"tile_{i}", source.randrange(100, 2000)) for i in range(4)]
    return [
        [
            Offer(
                cycles=source.randrange(1000, 100_000),
                weights_bytes=source.randrange(0, 5000),
                code_bytes=source.randrange(50, 1500),
                shared=tuple(sorted(source.sample(tiles, source.randrange(0, 3)))),
                arena_bytes=source.randrange(0, 100),
            )
            for _ in range(source.randrange(1, most + 1))
        ]
        for _ in range(layers)
    ]


def random_limits(source: random.Random, rows: Rows) -> Limits:
    """Limits that some pick just holds, each of them or none."""

    def of(values: list[int]) -> int | None:
        return source.choice([None, source.choice(values)])

    every = [totals(offers) for offers in itertools.product(*rows)]
    return Limits(
        weights_bytes=of([t.weights_bytes for t in every]),
        code_bytes=of([t.code_bytes for t in every]),
        flash_bytes=of([t.weights_bytes + t.code_bytes for t in every]),
        arena_bytes=of([t.arena_bytes for t in every]),
    )


@pytest.mark.tiny
@pytest.mark.parametrize("seed", range(60))
def test_finds_what_trying_everything_finds(seed: int) -> None:
    source = random.Random(seed)
    rows = random_rows(source, source.randrange(1, 6), 4)
    limits = random_limits(source, rows)
    every = [totals(offers) for offers in itertools.product(*rows)]
    allowed = [t for t in every if t.within(limits)]
    picks = cheapest(rows, limits)
    if not allowed:
        assert picks is None
        return
    assert picks is not None
    found = totals([row[j] for row, j in zip(rows, picks, strict=True)])
    assert found.within(limits)
    best = min(allowed, key=lambda t: (t.cycles, t.weights_bytes + t.code_bytes))
    assert (found.cycles, found.weights_bytes + found.code_bytes) == (
        best.cycles,
        best.weights_bytes + best.code_bytes,
    )


@pytest.mark.tiny
def test_code_that_layers_share_counts_once() -> None:
    tile = (("tile", 900),)
    fast, slow = Offer(10, 0, 50, tile), Offer(100, 0, 400)
    rows = [[slow, fast], [slow, fast], [slow, fast]]
    assert cheapest(rows, Limits(code_bytes=1050)) == (1, 1, 1)
    assert cheapest(rows, Limits(code_bytes=1049)) is None
    assert cheapest([*rows, [slow]], Limits(code_bytes=1450)) == (1, 1, 1, 0)
    assert totals([fast, fast]).code_bytes == 1000


@pytest.mark.tiny
def test_without_limits_each_layer_takes_its_cheapest_and_the_smaller_on_a_tie() -> None:
    rows = [
        [Offer(5, 10, 10), Offer(4, 90, 10), Offer(4, 80, 10)],
        [Offer(7, 0, 3), Offer(7, 0, 3)],
    ]
    assert cheapest(rows, Limits()) == (2, 0)
    assert cheapest([], Limits(code_bytes=0)) == ()


@pytest.mark.tiny
def test_what_needs_too_large_an_arena_is_left_out() -> None:
    rows = [[Offer(9, 0, 0, (), 100), Offer(1, 0, 0, (), 101)]]
    assert cheapest(rows, Limits(arena_bytes=101)) == (1,)
    assert cheapest(rows, Limits(arena_bytes=100)) == (0,)
    assert cheapest(rows, Limits(arena_bytes=99)) is None


def test_a_large_network_is_chosen_at_once_and_twice_the_same() -> None:
    source = random.Random(1)
    rows = random_rows(source, 30, 6)
    least = totals([min(row, key=lambda o: o.weights_bytes) for row in rows]).weights_bytes
    limits = Limits(weights_bytes=least * 2, code_bytes=24_000)
    picks = cheapest(rows, limits)
    assert picks is not None
    assert totals([row[j] for row, j in zip(rows, picks, strict=True)]).within(limits)
    assert cheapest(rows, limits) == picks
