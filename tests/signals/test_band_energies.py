"""Log-energies of octaves: what they say of known signals, and the C against the twin."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from midge.errors import UserError
from midge.signals import BandEnergies
from midge.signals.band_energies import TAP_BITS, TAPS, binary_log
from midge.toolchain import build_host_library

FLAGS = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
CASES = (BandEnergies("two", 32, 2), BandEnergies("five", 512, 5), BandEnergies("ten", 1024, 10))

Samples = NDArray[np.int16]


@cache
def library(front: BandEnergies) -> ctypes.CDLL:
    """Its C; a sum that overflows ends the process."""
    built = build_host_library(front.emit("test"), flags=FLAGS, sanitizers=("undefined",))
    return ctypes.CDLL(str(built))


def in_c(front: BandEnergies, samples: Samples) -> Samples:
    """The frames that the C gives, fed sample by sample."""
    c, name = library(front), front.name
    state = np.zeros(256, np.uint64)
    place = ctypes.c_void_p(state.ctypes.data)
    getattr(c, f"{name}_init")(place)
    push, out = getattr(c, f"{name}_push"), np.zeros(front.octaves, np.int16)
    rows = []
    for sample in samples.tolist():
        if push(place, ctypes.c_int16(sample), ctypes.c_void_p(out.ctypes.data)):
            rows.append(out.copy())
    return np.array(rows, np.int16).reshape(-1, front.octaves)


def hostile(seed: int, size: int) -> Samples:
    """Noise of any level, full-scale steps, silence, one behind the other."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 10 ** rng.uniform(0, 4.5), size)
    steps = 32767 * np.sign(np.sin(np.arange(size) * rng.uniform(0.01, 3.14)))
    which = np.repeat(rng.integers(0, 3, size // 64 + 1), 64)[:size]
    values = np.choose(which, [noise, np.where(rng.random() < 0.5, steps, -32768), np.zeros(size)])
    out: Samples = np.clip(values, -32768, 32767).astype(np.int16)
    return out


@pytest.mark.parametrize("front", CASES, ids=lambda front: front.name)
def test_c_gives_the_frames_of_the_twin(front: BandEnergies) -> None:
    @settings(max_examples=12)
    @given(st.integers(0, 2**32), st.integers(0, 3000))
    def check(seed: int, size: int) -> None:
        samples = hostile(seed, size)
        np.testing.assert_array_equal(in_c(front, samples), front.run(samples))

    check()


@given(st.lists(st.integers(0, 2**61), min_size=1, max_size=50))
def test_the_logarithm_is_one(values: list[int]) -> None:
    given_ = np.array(values, np.int64)
    # Eight squarings of 16 bits lose up to a hundredth of a step for each value of a step.
    exact = 256 * np.log2(given_.astype(np.float64) + 1)
    missed = exact - binary_log(given_)
    assert (missed > -1e-6).all()
    assert (missed < 1.1).all()


def test_an_octave_holds_the_energy_of_its_tones() -> None:
    front = BandEnergies("tones", 2048, 4)
    time = np.arange(4 * 2048)
    for octave in range(4):
        frequency = 0.37 / 2**octave  # of the rate: about the middle of the octave
        tone = np.rint(8000 * np.sin(2 * np.pi * frequency * time)).astype(np.int16)
        frames = front.run(tone)[1:]
        # Mean square 8000^2 / 2, and as many values as the octave has in a frame. The filters are
        # soft: a decibel is lost in the middle of an octave.
        expected = 256 * np.log2(8000**2 / 2 * 2048 / 2 ** (octave + 1))
        assert abs(frames[:, octave] - expected).max() < 100
        others = np.delete(frames, octave, axis=1)
        assert (others < expected - 256 * 3).all()


def test_a_constant_offset_is_in_no_octave() -> None:
    front = BandEnergies("offset", 256, 5)
    frames = front.run(np.full(2048, 12345, np.int16))
    assert (frames[4:] == 0).all()


def test_the_taps_pass_the_lowest_frequency_unchanged() -> None:
    assert sum(TAPS) == 1 << TAP_BITS
    assert sum(TAPS[1::2]) == TAPS[7] == 1 << (TAP_BITS - 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a b", 512, 5), "name is 'a b'; expected an identifier of C"),
        (("a", 512, 11), "octaves is 11; expected 1 to 10"),
        (("a", 1 << 15, 5), "frame is 32768; expected 2 to 16384"),
        (("a", 500, 5), "frame is 500; expected a multiple of 32"),
    ],
)
def test_what_is_out_of_range_is_refused(arguments: tuple[str, int, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        BandEnergies(*arguments)


def test_samples_of_another_type_are_refused() -> None:
    with pytest.raises(UserError, match=r"samples are float64 \[4\]; expected int16 \[n\]"):
        BandEnergies("a", 2, 1).run(np.zeros(4))  # type: ignore[arg-type]
