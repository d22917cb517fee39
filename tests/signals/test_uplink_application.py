"""An application with an uplink, on emulated boards: it sends the bytes of the twin."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from chain_support import Samples, hostile_signal, pulse_train, small_chain, small_network

from midge.driver.application import compile_application
from midge.errors import UserError
from midge.signals import Application, Decision
from midge.signals.uplink import Uplink
from midge.signals.uplink_segment import read_segments

CLASSES = ("N", "S", "V")
LIMIT = 9


def application(payload_bytes: int, rate_hz: float = 360, decision_s: float = 3.1) -> Application:
    chain = small_chain("watch")
    decision = Decision(CLASSES, "N", suspicious_below=LIMIT)
    uplink = Uplink(
        rate_hz,
        before_s=0.8,
        after_s=0.6,
        decision_s=decision_s,
        payload_bytes=payload_bytes,
        store_bytes=1024,
        segment_bytes=400,
    )
    return chain.with_network(small_network(chain), decision, uplink)


@cache
def record() -> Samples:
    """Pulses, every ninth second something else."""
    parts = []
    for part in range(4):
        parts += [pulse_train(9.0, seed=part)[0], hostile_signal(part, 400)]
    return np.concatenate(parts)


@pytest.mark.parametrize(
    ("target", "payload_bytes"), [("rp2040", 3), ("nrf52840", 7), ("esp32-c3", 3)]
)
def test_a_board_sends_what_the_twin_sends(target: str, payload_bytes: int) -> None:
    watch = application(payload_bytes)
    expected = watch.send(record())
    run = compile_application(watch, target=target).run(record())
    assert run.sent == expected.data
    assert expected.dropped_segments == 0
    events = run.events
    assert events is not None
    assert 0 < events.suspicious.sum() < len(events) / 2
    segments = read_segments(run.sent)
    assert len(segments) > 2
    said = np.concatenate([events.scores, events.found.codes], axis=1)[:, :payload_bytes]
    by_position = dict(zip(events.found.positions.tolist(), said, strict=True))
    for segment in segments:
        inside = segment.samples[: record().size - segment.first]
        np.testing.assert_array_equal(inside, record()[segment.first :][: inside.size])
        for position, payload in zip(segment.positions.tolist(), segment.payloads, strict=True):
            if position < record().size:
                np.testing.assert_array_equal(payload.view(np.int8), by_position[position])


def test_memory_is_counted() -> None:
    watch = application(3)
    assert watch.uplink is not None
    ram = [
        compile_application(one, target="cortex-m4").ram().chain
        for one in (replace(watch, uplink=None), watch)
    ]
    assert 0 <= ram[1] - ram[0] - watch.uplink.ram_bytes < 8


def test_an_uplink_that_does_not_fit() -> None:
    with pytest.raises(UserError, match=r"payload_bytes is 5; expected 3 .*, or 7"):
        application(5)
    with pytest.raises(UserError, match=r"Uplink.rate_hz is 250; expected that of the chain, 360"):
        application(3, rate_hz=250)


def test_an_uplink_that_forgets_before_the_chain_decides_is_refused() -> None:
    latest_s = small_chain("watch").latest_decision_s
    assert application(3, decision_s=latest_s).uplink is not None
    with pytest.raises(
        UserError,
        match=rf"'watch': Uplink.decision_s is 2.0; expected at least {latest_s:.3f}, .* Give",
    ):
        application(3, decision_s=2.0)


def test_without_an_uplink_nothing_is_sent() -> None:
    silent = replace(application(3), uplink=None)
    with pytest.raises(UserError, match="sends nothing; give it an Uplink"):
        silent.send(record())
    assert compile_application(silent, target="cortex-m4").run(record()[:2000]).sent == b""
