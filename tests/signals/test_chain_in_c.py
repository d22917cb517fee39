"""A whole chain in C on this machine against its twin, on signals of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from chain_support import (
    ALL_FEATURES,
    assert_same,
    hostile_signal,
    pulse_train,
    run_on_host,
    small_chain,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.signals import Chain, PulseDetector, emit_chain, heartbeat_chain

NERVOUS = PulseDetector.for_rate(
    180,
    hold_s=0.05,
    search_s=0.08,
    learning_s=0.6,
    floor=1,
    refractory_s=0.05,
    slow_wave_s=0.1,
    longest_rr_s=0.4,
    relax_s=0.2,
)
CHAINS: dict[str, Chain] = {
    "plain": small_chain("plain"),
    "all features": small_chain("full", features=ALL_FEATURES, window_stride=1),
    "nervous": small_chain("nervous", detector=NERVOUS, timeout_s=0.5, window_after_s=0.7),
    "undecimated": heartbeat_chain("slow", 128, window_after_s=-0.1),
    "16 bits": heartbeat_chain("wide", 1000, rails=(-32768, 32767)),
}


@pytest.mark.parametrize("name", CHAINS)
def test_c_reports_what_the_twin_finds(name: str) -> None:
    chain = CHAINS[name]

    @settings(max_examples=25)
    @given(st.integers(0, 2**32), st.integers(1, 6000))
    def check(seed: int, size: int) -> None:
        fed = hostile_signal(seed, size)
        events, changes = run_on_host(chain, fed)
        found = chain.detect_fed(fed)
        assert_same(found, events)
        np.testing.assert_array_equal(changes, found.quality_changes)

    check()


@pytest.mark.parametrize("name", CHAINS)
def test_c_finds_the_beats_of_a_pulse_train(name: str) -> None:
    chain = CHAINS[name]
    samples = pulse_train(30, rate_hz=chain.rate_hz)[0]
    # A converter of 16 bits has finer steps.
    fed = chain.with_tail((samples * (60 if name == "16 bits" else 1)).astype(np.int16))
    events, _ = run_on_host(chain, fed)
    assert events.size > 25
    assert_same(chain.detect_fed(fed), events)


def test_waiting_beats_never_fill_the_queue() -> None:
    chain = CHAINS["nervous"]
    fed = hostile_signal(3, 60_000)
    found = chain.detect_fed(fed)
    born = found.positions
    waiting = [
        int(np.count_nonzero((born <= at) & (found.decided_at >= at))) for at in found.decided_at
    ]
    assert len(found) > 200
    assert max(waiting) <= chain.queue_length


def test_emitted_text_is_the_same_each_time_and_has_no_globals() -> None:
    files = emit_chain(CHAINS["plain"], "1.2.3")
    assert files == emit_chain(CHAINS["plain"], "1.2.3")
    assert set(files) == {"plain.h", "plain.c"}
    assert "emitted by Midge 1.2.3" in files["plain.c"]
    for line in files["plain.c"].splitlines():
        if line.startswith("static") and line.endswith(("= {", ";")):
            assert line.startswith("static const"), line
    for word in ("malloc", "float", "double", "#include <string", "#include <stdlib"):
        assert word not in files["plain.c"]
