"""A monitor on emulated cores: front end and learner with the twin's bits, and its alarm."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from midge.adapt.monitor import AlarmRule, Monitor, Watched
from midge.driver.learner import check_room
from midge.driver.monitor import MonitorArtifact, MonitorRun, compile_monitor
from midge.errors import DoesNotFitError, UserError
from midge.signals import BandEnergies
from midge.virtual_mcu import target as find_target
from support.tools import GCC

Samples = NDArray[np.int16]

RATE_HZ = 48_000
FRAME = 128
FRONT = BandEnergies("bands", FRAME, 3)
SMALL = Monitor(FRONT, learn=70)
RESTLESS = Monitor(FRONT, learn=0, hold=0)
BRIEF = Monitor(FRONT, learn=20, hold=6)
CHANGE_AT = 76 * FRAME


@cache
def record() -> Samples:
    """A hum with noise; later the same level, but half of it rings at 5 kHz."""
    rng, time = np.random.default_rng(3), np.arange(CHANGE_AT + 22 * FRAME) / RATE_HZ
    usual = np.sin(2 * np.pi * 310 * time) + rng.normal(0, 0.4, time.size)
    worn = 0.7 * usual + 0.6 * np.sin(2 * np.pi * 5000 * time)
    values = np.where(np.arange(time.size) < CHANGE_AT, usual, worn)
    out: Samples = np.rint(3000 * values).astype(np.int16)
    return out


@cache
def twin() -> Watched:
    return SMALL.watch(record())


@cache
def compiled(target: str) -> MonitorArtifact:
    return compile_monitor(SMALL, target=target)


@cache
def ran(target: str) -> MonitorRun:
    return compiled(target).run(record())


def assert_same(run: MonitorRun, watched: Watched) -> None:
    told = run.told
    np.testing.assert_array_equal(told["energies"], watched.energies)
    np.testing.assert_array_equal(told["anomaly"].astype(np.float64), watched.anomaly)
    np.testing.assert_array_equal(told["is_flagged"].astype(bool), watched.is_flagged)
    np.testing.assert_array_equal(told["is_alarm"].astype(bool), watched.alarm)


@pytest.mark.parametrize("target", ["nrf52840", "rp2040"])
def test_device_tells_what_the_twin_tells(target: str) -> None:
    assert_same(ran(target), twin())


@pytest.mark.parametrize(("monitor", "cc"), [(RESTLESS, "zig"), (BRIEF, GCC)])
def test_other_monitors_do_too(monitor: Monitor, cc: str) -> None:
    artifact = compile_monitor(monitor, target="cortex-m4", cc=cc, optimisation="-Os")
    assert_same(artifact.run(record()), monitor.watch(record()))


def test_the_alarm_follows_the_change() -> None:
    first, change = int(twin().alarm.argmax()), CHANGE_AT // FRAME
    assert change + 4 <= first <= change + 6
    assert twin().alarm[first:].all()


def test_what_is_not_held_gets_used_to_it() -> None:
    late = slice(len(record()) // FRAME - 12, None)
    assert RESTLESS.watch(record()).is_flagged[late].mean() < 0.3
    assert BRIEF.watch(record()).is_flagged[late].mean() < 0.5
    assert twin().is_flagged[late].all()


def test_costs_are_those_of_a_sample_and_of_a_frame() -> None:
    cost = ran("nrf52840").cost
    assert (cost.samples, cost.frames) == (record().size, record().size // FRAME)
    assert cost.front_cycles is not None
    assert cost.frame_cycles is not None
    assert cost.flash_factor is not None
    assert 30 < cost.front_cycles < 300
    assert 10_000 < cost.frame_cycles < 100_000
    assert 1 <= cost.flash_factor < 2
    duty = cost.duty(RATE_HZ)
    assert duty is not None
    cycles = cost.front_cycles + cost.frame_cycles / FRAME
    assert duty == pytest.approx(cycles * cost.flash_factor * RATE_HZ / 64e6)
    assert 2 * SMALL.new_model().ram_bytes < cost.state_bytes < 8500
    assert cost.stack_bound_bytes is not None


def test_too_short_a_record_is_refused() -> None:
    with pytest.raises(UserError, match=r"samples are int16 \[127\]; expected int16 \[n\], 128"):
        compiled("nrf52840").run(record()[:127])


def test_a_board_that_is_too_small_is_refused() -> None:
    board = find_target("nrf52840")
    check_room("monitor", board, 256 * 1024, 1024 * 1024)
    with pytest.raises(DoesNotFitError, match="monitor on nrf52840: RAM: needs 262145 bytes"):
        check_room("monitor", board, 256 * 1024 + 1, 1)
    with pytest.raises(DoesNotFitError, match="flash: needs 1048577 bytes"):
        check_room("monitor", board, 1, 1024 * 1024 + 1)


def test_a_rule_counts_flags() -> None:
    flags = np.array([1, 0, 1, 1, 0, 0, 1, 1, 1], bool)
    np.testing.assert_array_equal(
        AlarmRule(2, 3).raised(flags), np.array([0, 0, 1, 1, 1, 0, 0, 1, 1], bool)
    )
    np.testing.assert_array_equal(AlarmRule(1, 1).raised(flags), flags)


def test_a_rate_of_flags_gives_the_rate_of_alarms() -> None:
    assert AlarmRule(1, 1).flag_rate(0.01) == pytest.approx(0.01)
    assert AlarmRule(3, 3).flag_rate(1e-3) == pytest.approx(0.1)
    rng = np.random.default_rng(1)
    flags = rng.random(400_000) < AlarmRule(4, 5).flag_rate(2e-3)
    # Alarms come in runs, so the mean scatters more than that of independent ones would.
    assert np.mean(AlarmRule(4, 5).raised(flags)) == pytest.approx(2e-3, rel=0.3)


def test_a_rule_out_of_range_is_refused() -> None:
    with pytest.raises(UserError, match="flagged: found 5; expected a whole number, 1 to 4"):
        AlarmRule(5, 4)
    with pytest.raises(UserError, match="alarm_rate: found 0; expected a number, "):
        AlarmRule().flag_rate(0)


def test_numbers_of_frames_out_of_range_are_refused() -> None:
    with pytest.raises(UserError, match="learn: found -1; expected a whole number, 0 to"):
        Monitor(FRONT, learn=-1)
    with pytest.raises(UserError, match="hold: found 2147483648; expected a whole number, 0 to"):
        Monitor(FRONT, learn=1, hold=1 << 31)


def test_a_name_that_c_does_not_take_is_refused() -> None:
    for name in ("Big", "bands"):
        with pytest.raises(UserError, match=f"emit: found the name '{name}'"):
            SMALL.emit(name)
