"""Every stage's C against its twin, number by number."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from midge.errors import UserError
from midge.signals import (
    Absolute,
    Difference,
    Fir,
    MovingSum,
    RemoveMean,
    Saturate,
    ShiftRight,
    Square,
    Stage,
    StartAtZero,
)
from midge.signals.c_library import signal_text
from midge.signals.stage import largest_after, run_stages
from midge.toolchain import build_host_library

FLAGS = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
SMALL, LARGE = 32767, 1 << 20
CASES: tuple[tuple[Stage, int], ...] = (
    (MovingSum(2), SMALL),
    (MovingSum(9), SMALL),
    (MovingSum(7), LARGE),
    (RemoveMean(2), SMALL),
    (RemoveMean(16), SMALL),
    (RemoveMean(9), LARGE),
    (Difference(1), SMALL),
    (Difference(5), LARGE),
    (Fir((3,)), SMALL),
    (Fir((-1, 4, 9, 4, -1)), SMALL),
    (Fir((-7, 0, -7)), LARGE),
    (Absolute(), LARGE),
    (Square(), SMALL),
    (ShiftRight(1), LARGE),
    (ShiftRight(30), LARGE),
    (Saturate(1000), LARGE),
    (StartAtZero(2047), 32768),
    (StartAtZero(), 32768),
)
NAMES = [f"{stage}, {largest}" for stage, largest in CASES]


@cache
def library() -> ctypes.CDLL:
    """All cases in one library; a sum that overflows ends the process."""
    functions, headers = [], set()
    for index, (stage, largest) in enumerate(CASES):
        code = stage.code(largest)
        headers.add(code.header)
        members = "".join(f"{m.replace('@', 'm')};" for m in (*code.members, "uint8_t @_any"))
        signature = f"void run_{index}(const int32_t *in, int32_t *out, int count)"
        functions.append(
            f"{signature};\n{signature} {{\n    struct {{{members}}} memory = {{0}}, *state = &memory;\n"
            f"    (void)state;\n    for (int i = 0; i < count; i++) {{\n        const int32_t x = in[i];\n"
            f"        out[i] = {code.call.replace('@', 'state->m')};\n    }}\n}}\n"
        )
    text = signal_text(headers) + "\n".join(functions)
    # The memory is cleared by an initialiser for its first member.
    flags = (*FLAGS, "-Wno-missing-field-initializers")
    return ctypes.CDLL(
        str(build_host_library({"stages.c": text}, flags=flags, sanitizers=("undefined",)))
    )


def in_c(index: int, samples: NDArray[np.int64]) -> NDArray[np.int64]:
    given_samples = samples.astype(np.int32)
    result = np.zeros(samples.size, np.int32)
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (given_samples, result)]
    getattr(library(), f"run_{index}")(*pointers, samples.size)
    return result.astype(np.int64)


def signals(largest: int) -> st.SearchStrategy[list[int]]:
    edges = st.sampled_from([-largest, largest, 0, 1, -1])
    return st.lists(edges | st.integers(-largest, largest), min_size=1, max_size=60)


@pytest.mark.parametrize("index", range(len(CASES)), ids=NAMES)
def test_c_gives_what_the_twin_gives_within_the_bound(index: int) -> None:
    stage, largest = CASES[index]

    @settings(max_examples=40)
    @given(signals(largest))
    def check(values: list[int]) -> None:
        samples = np.asarray(values, np.int64)
        expected = stage.run(samples)
        np.testing.assert_array_equal(in_c(index, samples), expected)
        assert np.abs(expected).max() <= stage.largest(largest)

    check()


@pytest.mark.parametrize("index", range(len(CASES)), ids=NAMES)
def test_bound_is_reached_by_a_worst_signal(index: int) -> None:
    stage, largest = CASES[index]
    rng = np.random.default_rng(0)
    long = rng.choice([-largest, largest], 200).astype(np.int64)
    step = np.repeat([-largest, largest, -largest], 40).astype(np.int64)
    single = np.repeat([largest, -largest, largest], [40, 1, 40]).astype(np.int64)
    reached = 0
    for signal in (long, step, single, -single):
        expected = stage.run(signal)
        np.testing.assert_array_equal(in_c(index, signal), expected)
        reached = max(reached, int(np.abs(expected).max()))
    assert reached > 0.4 * stage.largest(largest)


@pytest.mark.parametrize(
    "stage",
    [MovingSum(7), RemoveMean(7), Difference(4), Fir((1, 2, 3, 2, 1))],
    ids=lambda stage: type(stage).__name__,
)
def test_delay_is_where_a_pulse_comes_out(stage: Stage) -> None:
    signal = np.zeros(64, np.int64)
    signal[20] = 100
    out = np.abs(stage.run(signal)).astype(float)
    middle = (np.arange(64) * out).sum() / out.sum()
    assert abs(middle - 20 - stage.delay_half_samples / 2) < 1


def test_moving_sum_passes_a_constant_and_remove_mean_takes_it_away() -> None:
    constant = np.full(50, 11, np.int64)
    assert MovingSum(8).run(constant)[-1] == 88
    assert RemoveMean(8).run(constant)[-1] == 0


def test_stages_that_could_overflow_are_refused_by_place() -> None:
    with pytest.raises(UserError, match=r"front, stage 1 \(Square\): its output can reach \d+"):
        largest_after((MovingSum(100), Square()), 32768, "front")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MovingSum(1), "MovingSum: length is 1; expected 2 to 4096"),
        (lambda: RemoveMean(5000), "RemoveMean: length is 5000"),
        (lambda: Difference(0), "Difference: lag is 0; expected 1 to 4096"),
        (lambda: Fir((1, 40000, 1)), "Fir: a tap is 40000"),
        (lambda: Fir((1, 2, 3)), "symmetric"),
        (lambda: Fir((1, 1)), "odd"),
        (lambda: ShiftRight(31), "ShiftRight: bits is 31; expected 1 to 30"),
        (lambda: Saturate(0), "Saturate: limit is 0"),
        (lambda: StartAtZero(40000), "StartAtZero: limit is 40000"),
    ],
)
def test_parameters_out_of_range_are_refused(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]


def test_stages_run_one_after_the_other() -> None:
    signal = np.arange(10, dtype=np.int64)
    stages = (MovingSum(2), ShiftRight(1))
    np.testing.assert_array_equal(
        run_stages(stages, signal), ShiftRight(1).run(MovingSum(2).run(signal))
    )
