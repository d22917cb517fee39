"""`--keep`: what earlier results say of some methods stands in new ones, and nothing else does."""

from __future__ import annotations

from midge.adapt.benchmark.kept import with_kept

BEFORE = {
    "rows": [{"method": "slow", "score": 1}, {"method": "learner", "score": 2}],
    "detection": {"learner": 3, "slow alarm": 4, "stale": 5},
    "stale": 6,
}
FOUND = {
    "rows": [{"method": "RLS", "score": 7}, {"method": "learner", "score": 8}],
    "detection": {"learner": 9},
}


def test_named_methods_are_kept_before_ours():
    merged = with_kept(BEFORE, FOUND, ("slow", "slow alarm"))

    assert merged == {
        "rows": [
            {"method": "RLS", "score": 7},
            {"method": "slow", "score": 1},
            {"method": "learner", "score": 8},
        ],
        "detection": {"learner": 9, "slow alarm": 4},
    }


def test_what_was_measured_anew_is_not_doubled():
    assert with_kept(BEFORE, FOUND, ("learner",)) == FOUND


def test_nothing_is_kept_of_nothing():
    assert with_kept(None, FOUND, ("slow",)) == FOUND
