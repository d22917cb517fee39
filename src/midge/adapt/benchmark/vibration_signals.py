"""Vibration for the benchmark: records on one level, noise, and what can be made up.

What is made up follows the usual model of a worn bearing (McFadden and Smith 1984, Journal of Sound
and Vibration 96(1)): impulses at the rate of the fault, stronger where the load is, each ringing a
resonance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]
Samples = NDArray[np.int16]

RATE_HZ = 48_000
LEVEL = 2048
"""Counts of the RMS of a record: what is 16 times as large is clipped."""
_SHAFT_HZ = 29.95
_ORDERS = {"ball": 4.714, "inner race": 5.415, "outer race": 3.585}
"""Impulses a turn of the shaft, of a 6205 bearing."""
_RING = 480


@dataclass(frozen=True)
class Records:
    """A healthy record, and some with faults.

    Attributes:
        notice: Which these are.
        healthy: [n], in any unit.
        faults: By name.
    """

    notice: str
    healthy: Signal
    faults: Mapping[str, Signal]


def on_one_level(signal: Signal) -> Signal:
    """Without its mean, and with unit RMS over the whole."""
    centred = signal - signal.mean()
    out: Signal = centred / np.sqrt(np.mean(centred**2))
    return out


def with_noise(signal: Signal, noise_db: float | None, rng: np.random.Generator) -> Signal:
    """White noise added, `noise_db` decibels below an RMS of one; None adds none."""
    if noise_db is None:
        return signal
    return signal + rng.normal(0, 10 ** (-noise_db / 20), signal.size)


def in_counts(signal: Signal) -> Samples:
    """As a converter gives it: `LEVEL` is one."""
    return np.clip(np.rint(signal * LEVEL), -32768, 32767).astype(np.int16)


def with_impulses(signal: Signal, strength: float, rng: np.random.Generator) -> Signal:
    """A fault made up and added, on one level again.

    Args:
        signal: [n], of unit RMS.
        strength: RMS of what is added.
        rng: Chooses fault, resonance and phase.
    """
    turn = RATE_HZ / _SHAFT_HZ
    order = rng.choice(list(_ORDERS.values()))
    period = turn / order
    count = int(signal.size / period)
    hits = (np.arange(count) + rng.random() + rng.normal(0, 0.01, count)) * period
    hits = hits[(hits >= 0) & (hits < signal.size)].astype(np.int64)
    # The load zone passes the inner race and the ball once a turn; the outer race stands still.
    angle = 2 * np.pi * np.arange(signal.size) / turn + rng.uniform(0, 2 * np.pi)
    load = 1 + 0.7 * np.cos(angle) if order != _ORDERS["outer race"] else np.ones(signal.size)
    impulses = np.zeros(signal.size)
    impulses[hits] = load[hits]
    time = np.arange(_RING) / RATE_HZ
    decay, resonance_hz = rng.uniform(600, 1500), rng.uniform(1500, 6000)
    response = np.exp(-decay * time) * np.sin(2 * np.pi * resonance_hz * time)
    added = np.convolve(impulses, response)[: signal.size]
    return on_one_level(signal + strength / np.sqrt(np.mean(added**2)) * added)


def made_up(seed: int, seconds: float = 3.0, fault_seconds: float = 0.5) -> Records:
    """A hum with noise, and the same with impulses."""
    rng = np.random.default_rng(seed)

    def usual(duration: float) -> Signal:
        time = np.arange(int(duration * RATE_HZ)) / RATE_HZ
        hum = sum(
            np.sin(2 * np.pi * harmonic * _SHAFT_HZ * time + rng.uniform(0, 2 * np.pi)) / harmonic
            for harmonic in (1, 2, 35)
        )
        return on_one_level(hum + rng.normal(0, 0.5, time.size))

    faults = {
        f"made up, {strength:g} of the RMS": with_impulses(usual(fault_seconds), strength, rng)
        for strength in (1.0, 2.0)
    }
    return Records(f"SYNTHETIC bearing, seed {seed}", usual(seconds), faults)
