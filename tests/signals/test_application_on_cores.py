"""Chain, network and uplink as one program on emulated cores, fed sample by sample."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from chain_support import pulse_train, small_application, small_chain, small_network

from midge.driver.application import ApplicationArtifact, ApplicationRun, compile_application
from midge.driver.application_stream import Stream
from midge.errors import DoesNotFitError, InternalError, UserError
from midge.signals import Application, Decision
from midge.signals.uplink import Uplink
from midge.virtual_mcu import open_machine
from midge.virtual_mcu import target as find_target
from support.tools import EACH_COMPILER, needs_qemu

TARGETS = ("rp2040", "nrf52840", "esp32c3")
SAMPLES = 9000


def application() -> Application:
    """The small one, which sends what is suspicious."""
    plain = small_application()
    uplink = Uplink(
        360, before_s=0.5, after_s=0.5, decision_s=3.1, payload_bytes=3, store_bytes=900
    )
    return replace(plain, uplink=uplink)


@cache
def signal() -> np.ndarray:
    """Pulses with a stretch at the rail and a flat one."""
    samples, _ = pulse_train(SAMPLES / 360)
    samples[3000:3060] = 1023
    samples[6000:6700] = 4
    return samples


@cache
def compiled(target: str) -> ApplicationArtifact:
    return compile_application(application(), target=target)


@cache
def ran(target: str) -> ApplicationRun:
    return compiled(target).run(signal())


@pytest.mark.parametrize("target", TARGETS)
def test_device_says_what_the_twin_says(target: str) -> None:
    run, twin = ran(target), application().run(signal())
    assert run.events is not None
    assert len(twin) > 15
    assert twin.suspicious.any()
    assert not twin.suspicious.all()
    for name in ("positions", "windows", "features", "codes", "quality", "decided_at"):
        np.testing.assert_array_equal(getattr(run.found, name), getattr(twin.found, name), name)
    np.testing.assert_array_equal(run.found.quality_changes, twin.found.quality_changes)
    for name in ("scores", "label", "margin", "suspicious"):
        np.testing.assert_array_equal(getattr(run.events, name), getattr(twin, name), name)


@pytest.mark.parametrize("target", TARGETS)
def test_device_sends_what_the_twin_sends(target: str) -> None:
    sent = application().send(signal())
    assert sent.segments >= 1
    assert len(sent.data) > 200
    assert ran(target).sent == sent.data


@pytest.mark.parametrize("target", TARGETS)
def test_costs_add_up_and_keep_within_the_budget(target: str) -> None:
    run = ran(target)
    cost = run.cost
    assert cost.instructions == run.instructions.sum(dtype=np.int64)
    assert cost.sample.calls + cost.beat.calls == cost.samples == run.instructions.size
    at = run.found.decided_at[run.found.decided_at < cost.samples]
    assert cost.beat.largest == run.instructions[cost.beat.largest_at] >= run.instructions[at].max()
    assert cost.sample.largest == run.instructions[cost.sample.largest_at]
    assert cost.beat.mean > cost.sample.mean
    assert cost.cycles is not None
    assert cost.cycles_modelled is not None
    assert cost.instructions < cost.cycles <= cost.cycles_modelled
    assert cost.cycles == sum(cycles for _, cycles in cost.functions)
    assert cost.duty is not None
    assert 0 < cost.duty < 0.05
    assert cost.longest_ms is not None
    assert 0 < cost.longest_ms < 10
    assert cost.ram.stack_bound is not None
    assert cost.ram.stack_peak <= cost.ram.stack_bound + 64
    assert cost.ram.total < 8192
    assert cost.flash.total < 32768
    assert cost.to_json()["ram"]["total"] == cost.ram.total


def test_two_runs_cost_the_same() -> None:
    again = compile_application(application(), target="nrf52840").run(signal())
    assert again.cost == ran("nrf52840").cost


def test_chunks_leave_no_trace() -> None:
    artifact = compiled("nrf52840")
    machine = artifact.open_machine()
    fed = signal()[:5000]
    whole = machine.feed(artifact.stream.chunk(fed), fed.size)
    machine.restart()
    parts = [
        machine.feed(artifact.stream.chunk(part), part.size)
        for part in np.split(fed, [1, 2, 1000, 3333])
    ]
    np.testing.assert_array_equal(
        whole.instructions, np.concatenate([part.instructions for part in parts])
    )
    beats = artifact.stream.entries(whole.output)["event"]
    pieces = [artifact.stream.entries(part.output)["event"] for part in parts]
    assert beats.size > 5
    for name in ("position", "decided_at", "window", "scores"):
        np.testing.assert_array_equal(np.concatenate([p[name] for p in pieces]), beats[name])


def test_both_tracers_count_the_same_edges() -> None:
    artifact = compiled("esp32c3")
    machine = artifact.open_machine()
    fed = signal()[:2000]
    plain = machine.feed(artifact.stream.chunk(fed), fed.size)
    machine.restart()
    simulated = machine.feed(artifact.stream.chunk(fed), fed.size, flash=artifact.target.flash)
    assert set(plain.edges) == set(simulated.edges)
    np.testing.assert_array_equal(plain.instructions, simulated.instructions)
    assert plain.flash is None
    assert simulated.flash is not None
    assert simulated.flash.fetch_lines > 0


@needs_qemu
@pytest.mark.parametrize("target", ["rp2040", "esp32c3"])
def test_qemu_reports_the_same_events(target: str) -> None:
    artifact = compiled(target)
    fed = signal()[:3000]
    chunk = artifact.stream.chunk(fed)
    (inference,) = open_machine(artifact.program, emulator="qemu").run([(chunk,)])
    fed_to_unicorn = artifact.open_machine().feed(chunk, fed.size)
    logs = [artifact.stream.entries(out) for out in (inference.outputs[0], fed_to_unicorn.output)]
    assert logs[0].size > 5
    assert logs[0].tobytes() == logs[1].tobytes()


def test_a_program_that_loses_samples_is_a_defect() -> None:
    artifact = compiled("nrf52840")
    with pytest.raises(InternalError, match="returned status 0 after 10 of 11 samples"):
        artifact.open_machine().feed(artifact.stream.chunk(signal()[:10]), 11)


def test_a_chain_alone_runs_too() -> None:
    chain = small_chain()
    run = compile_application(chain, target="cortex-m0plus").run(signal()[:2500])
    found = chain.detect(signal()[:2500])
    np.testing.assert_array_equal(run.found.windows, found.windows)
    assert run.events is None
    assert run.sent == b""
    assert run.cost.duty is None
    assert run.cost.energy_uj_per_second is None


def test_an_empty_record_is_refused() -> None:
    with pytest.raises(UserError, match="beats: a record without samples"):
        compiled("nrf52840").run(np.zeros(0, np.int16))


def test_a_target_without_compiler_is_refused() -> None:
    with pytest.raises(UserError, match="esp32: no compiler here builds for it"):
        compile_application(small_chain(), target="esp32")


def test_a_board_that_is_too_small_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    board = find_target("nrf52840").board
    assert board is not None
    tiny = replace(find_target("nrf52840"), board=replace(board, ram_bytes=1000))
    monkeypatch.setattr("midge.driver.application.find_target", lambda _name: tiny)
    with pytest.raises(
        DoesNotFitError, match=r"beats on nrf52840: RAM: needs \d+ bytes, the board"
    ):
        compile_application(small_chain(), target="nrf52840")


def test_the_log_has_room_for_every_event() -> None:
    chain = small_chain()
    stream = Stream(chain, chain.with_network(small_network(chain), Decision(("N", "S", "V"), "N")))
    assert stream.most_entries * chain.detector.refractory * chain.decimate > stream.samples
    full = np.zeros(stream.interface.output_bytes[0], np.uint8)
    full[:4] = np.frombuffer(np.uint32(stream.most_entries + 1).tobytes(), np.uint8)
    with pytest.raises(InternalError, match="events of one chunk; the log has room for"):
        stream.entries(full.tobytes())


@pytest.mark.parametrize("cc", EACH_COMPILER)
def test_each_compiler_takes_the_c_without_a_warning(cc: str) -> None:
    artifact = compile_application(application(), target="cortex-m3", cc=cc, optimisation="-Os")
    fed = signal()[:2500]
    done = artifact.open_machine().feed(artifact.stream.chunk(fed), fed.size)
    beats = artifact.stream.entries(done.output)["event"]
    found = small_chain().detect_fed(fed)
    np.testing.assert_array_equal(beats["window"][beats["decided_at"] > 0], found.windows)
