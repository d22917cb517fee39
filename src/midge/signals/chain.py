"""A chain: raw samples in, beats with a window and features out, one sample at a time.

::

    raw -> front -> every nth -> band -+-----------> where a beat is, its window, its features
                                       +-> envelope -> whether there is one
    raw -> quality

`Chain.detect` is the twin: it gives what the emitted C gives, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from midge.errors import UserError
from midge.signals.features import FEATURES, compute_features, feature_codes
from midge.signals.pulse_detector import PulseDetector
from midge.signals.pulse_search import FoundPulse, PulseSearch, look_around
from midge.signals.quality import NOISY, SignalQuality
from midge.signals.rhythm import gather_rhythm
from midge.signals.stage import (
    LARGEST_INT16,
    Integers,
    Stage,
    delay_half_samples,
    largest_after,
    run_stages,
)
from midge.signals.template import running_templates, span_distances, usual_distances
from midge.signals.window import BeatWindow

if TYPE_CHECKING:
    from midge.graph import Graph
    from midge.signals.application import Application
    from midge.signals.decision import Decision
    from midge.signals.uplink import Uplink

LARGEST_HEIGHT = 1 << 28
"""Of an envelope: shares of it stay within int32."""
LONGEST_RECORD = 1 << 30
"""Samples; 34 days at 360 Hz."""


@dataclass(frozen=True)
class Detections:
    """What a chain found in a record of n samples: k beats, in order.

    Attributes:
        positions: Raw sample of each beat, delays compensated, int64 [k].
        windows: The band around it, int8 [k, w].
        templates: Running mean of the windows before, int8 [k, w]; None from a device, which
            keeps it to itself.
        features: In the chain's order, int16 [k, f].
        codes: The same as a network takes them, int8 [k, f].
        quality: Bits of `quality.FLAT`, `SATURATED`, `NOISY`, uint8 [k].
        decided_at: Raw sample behind which the device reports the beat, int64 [k].
        quality_changes: Raw sample and new state, int64 [m, 2].
    """

    positions: NDArray[np.int64]
    windows: NDArray[np.int8]
    templates: NDArray[np.int8] | None
    features: NDArray[np.int16]
    codes: NDArray[np.int8]
    quality: NDArray[np.uint8]
    decided_at: NDArray[np.int64]
    quality_changes: NDArray[np.int64]

    def __len__(self) -> int:
        """The number of beats."""
        return int(self.positions.size)

    def before(self, end: int) -> Detections:
        """What lies before a raw sample."""
        count = int(np.searchsorted(self.positions, end))
        changes = self.quality_changes
        return Detections(
            self.positions[:count],
            self.windows[:count],
            None if self.templates is None else self.templates[:count],
            self.features[:count],
            self.codes[:count],
            self.quality[:count],
            self.decided_at[:count],
            changes[changes[:, 0] < end],
        )


@dataclass(frozen=True)
class Chain:
    """How raw samples become beats.

    Attributes:
        name: A C identifier; prefix of the emitted C.
        rate_hz: Of the raw samples.
        front: Stages at the raw rate.
        decimate: Of the front's output every so manieth sample goes on: the inner rate.
        band: Stages from there to the signal that is looked at, within int16.
        envelope: Stages from the band to what tells beats from the rest, never negative.
        detector: Its rules.
        window: What is cut out around a beat.
        features: Names in `FEATURES`.
        quality: When a signal is none.
        timeout: Inner samples after which a beat is decided though no other followed.
    """

    name: str
    rate_hz: int
    front: tuple[Stage, ...]
    decimate: int
    band: tuple[Stage, ...]
    envelope: tuple[Stage, ...]
    detector: PulseDetector
    window: BeatWindow
    features: tuple[str, ...]
    quality: SignalQuality
    timeout: int

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            UserError: they do not, or a stage could overflow.
        """
        where = f"chain {self.name!r}"
        if not (self.name.isidentifier() and self.name.isascii()):
            raise UserError(f"{where}: expected a name that is an identifier of C, such as 'ecg'")
        for name, value, high in (
            ("rate_hz", self.rate_hz, 1 << 17),
            ("decimate", self.decimate, 256),
            ("timeout", self.timeout, 1 << 14),
        ):
            if not 1 <= value <= high:
                raise UserError(f"{where}: {name} is {value}; expected 1 to {high}")
        if not self.features:
            raise UserError(f"{where}: no features; a chain has one at least")
        unknown = [name for name in self.features if name not in FEATURES]
        if unknown:
            raise UserError(
                f"{where}: no feature is called {', '.join(unknown)}; known: {', '.join(FEATURES)}"
            )
        if self.band_largest > LARGEST_INT16:
            raise UserError(
                f"{where}: the band can reach {self.band_largest}; expected at most "
                f"{LARGEST_INT16}. Put a ShiftRight or Saturate last"
            )
        highest = largest_after(self.envelope, self.band_largest, f"{where}, envelope")
        if highest > LARGEST_HEIGHT:
            raise UserError(
                f"{where}: the envelope can reach {highest}; expected at most {LARGEST_HEIGHT}. "
                "Put a ShiftRight last"
            )
        if self.detector.search > self.lag + self.detector.hold:
            raise UserError(
                f"{where}: search {self.detector.search} reaches beyond what is known when a peak "
                f"has stood: hold {self.detector.hold} and {self.lag} samples of delay"
            )

    @property
    def inner_rate_hz(self) -> float:
        """Of band and envelope."""
        return self.rate_hz / self.decimate

    @cached_property
    def front_largest(self) -> int:
        """The largest magnitude behind the front."""
        return largest_after(self.front, LARGEST_INT16 + 1, f"chain {self.name!r}, front")

    @cached_property
    def band_largest(self) -> int:
        """The largest magnitude of the band."""
        return largest_after(self.band, self.front_largest, f"chain {self.name!r}, band")

    @property
    def lag(self) -> int:
        """Inner samples by which the envelope is later than the band."""
        return delay_half_samples(self.envelope) // 2

    @property
    def band_delay(self) -> int:
        """Raw samples by which the band is later than the raw signal, less the decimation's."""
        halves = delay_half_samples(self.front) + self.decimate * delay_half_samples(self.band)
        return halves // 2 - (self.decimate - 1)

    @property
    def latest_find(self) -> int:
        """Inner samples from a beat to the moment it is found, at most."""
        detector = self.detector
        wait = max(detector.learning, detector.longest_rr, detector.relax)
        return wait + detector.hold + self.lag + 2 * detector.search + 2

    @property
    def latest_decision(self) -> int:
        """Inner samples from a beat to its decision, at most."""
        return max(self.latest_find, self.timeout, self.window.after) + self.queue_length

    @property
    def latest_decision_s(self) -> float:
        """Seconds from a beat in the raw signal to its decision, at most."""
        samples = (self.latest_decision + 1) * self.decimate - 1 + self.band_delay
        return samples / self.rate_hz

    @property
    def queue_length(self) -> int:
        """Beats that may wait for their decision at once, and peaks while the chain learns."""
        detector = self.detector
        waiting = max(self.window.after, 0) // detector.refractory + 3
        return max(detector.learning // detector.hold + 3, waiting)

    @property
    def history_length(self) -> int:
        """Inner samples of the band that are kept for windows."""
        return self.latest_decision + max(self.window.before, self.detector.search) + 1

    @property
    def millisecond_factor(self) -> int:
        """Milliseconds of an inner sample, in 256ths."""
        return (1000 * 256 * self.decimate + self.rate_hz // 2) // self.rate_hz

    @property
    def spans(self) -> tuple[int, int]:
        """First points of the window's second and third span: 60 ms before, 100 ms after a beat."""
        borders = []
        for milliseconds in (-60, 100):
            inner = self.window.before + round(milliseconds * self.inner_rate_hz / 1000)
            borders.append(min(max(0, inner // self.window.stride), self.window.count))
        return borders[0], borders[1]

    @property
    def has_template(self) -> bool:
        """Whether a feature compares with the template."""
        return any(name.startswith("template_") for name in self.features)

    @property
    def tail(self) -> int:
        """Raw samples behind a record after which its last beat is decided."""
        delay = self.band_delay // self.decimate + 1
        return (self.latest_decision + delay + self.queue_length) * self.decimate

    def with_tail(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """A record with its mirror image behind it, so that its last beats are decided.

        Raises:
            UserError: `samples` is not int16 [n], or too long.
        """
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise UserError(
                f"chain {self.name!r}: samples are {samples.dtype} {list(samples.shape)}; expected "
                "int16 [n], one lead"
            )
        if samples.size > LONGEST_RECORD:
            raise UserError(
                f"chain {self.name!r}: {samples.size} samples; expected up to {LONGEST_RECORD}"
            )
        if not samples.size:
            return samples
        return np.pad(samples, (0, self.tail), mode="symmetric")

    def signals(self, samples: NDArray[np.int16]) -> tuple[Integers, Integers]:
        """Band and envelope of a record, int64 at the inner rate."""
        front = run_stages(self.front, samples.astype(np.int64))
        band = run_stages(self.band, front[self.decimate - 1 :: self.decimate])
        return band, run_stages(self.envelope, band)

    def with_network(
        self, graph: Graph, decision: Decision, uplink: Uplink | None = None
    ) -> Application:
        """The chain with a network that judges its beats, and what sends the suspicious ones.

        Raises:
            UserError: the network does not fit the chain, or the decision the network.
        """
        # Here, because an application holds a chain.
        from midge.signals.application import Application  # noqa: PLC0415

        return Application(self, graph, decision, uplink)

    def detect(self, samples: NDArray[np.int16]) -> Detections:
        """Find the beats of a record.

        Args:
            samples: One lead, int16 [n].

        Returns:
            what the device reports while it is fed the record and, so that the last beats are
            decided, its mirror image; only beats within the record.

        Raises:
            UserError: `samples` is not int16 [n].
        """
        fed = self.with_tail(samples)
        return self.detect_fed(fed).before(samples.size)

    def detect_fed(self, fed: NDArray[np.int16]) -> Detections:
        """What the device has reported when it has been fed just these samples."""
        band, envelope = self.signals(fed)
        search = PulseSearch(
            self.detector, band, envelope, lag=self.lag, capacity=self.queue_length
        )
        found = search.run()
        decided, rr_after = self._decide(found, band.size)
        return self._describe(fed, band, found[: decided.size], decided, rr_after)

    def describe(self, samples: NDArray[np.int16], positions: NDArray[np.int64]) -> Detections:
        """What the device would report of beats that somebody else has found.

        Args:
            samples: One lead, int16 [n].
            positions: Raw samples within the record, ascending, int64 [k].

        Returns:
            a beat for each position, which is kept; windows and features are those of the largest
            magnitude near it.

        Raises:
            UserError: `samples` is not int16 [n], or a position is out of order or of the record.
        """
        fed = self.with_tail(samples)
        inside = positions.size == 0 or (positions[0] >= 0 and positions[-1] < samples.size)
        if not inside or bool((np.diff(positions) < 0).any()):
            raise UserError(
                f"chain {self.name!r}: positions of beats must ascend within the record's "
                f"{samples.size} samples"
            )
        band, envelope = self.signals(fed)
        inner = (positions + self.band_delay) // self.decimate
        pulses = [
            look_around(band, at, self.detector.search, int(envelope[at + self.lag]))
            for at in inner.tolist()
        ]
        at = np.asarray([pulse.at for pulse in pulses], np.int64)
        found = [FoundPulse(pulse, pulse.at, noisy=False) for pulse in pulses]
        rr_after = np.append(np.maximum(np.diff(at), 1), self.timeout)[: at.size]
        decided = at + np.maximum(np.minimum(rr_after, self.timeout), self.window.after)
        result = self._describe(fed, band, found, decided, np.minimum(rr_after, self.timeout))
        return replace(result, positions=positions)

    def _describe(
        self,
        fed: NDArray[np.int16],
        band: Integers,
        found: list[FoundPulse],
        decided: Integers,
        rr_after: Integers,
    ) -> Detections:
        at = np.asarray([beat.pulse.at for beat in found], np.int64)
        raw_decided = (decided + 1) * self.decimate - 1
        raw_found = np.asarray([beat.found_at for beat in found], np.int64)
        raw_found = (raw_found + 1) * self.decimate - 1
        states = self.quality.states(fed.astype(np.int64))
        noisy = np.asarray([beat.noisy for beat in found], np.bool_)
        bits = self.quality.gathered(states, raw_found, raw_decided) | np.where(noisy, NOISY, 0)
        quality = bits.astype(np.uint8)
        rhythm = gather_rhythm(found, rr_after)
        windows = self.window.cut(band, at, rhythm.usual_amplitude)
        templates = running_templates(windows, quality)
        distances = span_distances(windows, templates, self.spans)
        usual = usual_distances(distances, quality)
        facts = rhythm.facts(self.millisecond_factor, distances, usual)
        features = compute_features(self.features, facts)
        return Detections(
            positions=np.maximum(at * self.decimate - self.band_delay, 0),
            windows=windows,
            templates=templates,
            features=features,
            codes=feature_codes(self.features, features),
            quality=quality,
            decided_at=raw_decided,
            quality_changes=self.quality.changes(states),
        )

    def _decide(self, found: list[FoundPulse], size: int) -> tuple[Integers, Integers]:
        """When each beat is decided, in inner samples, and the interval behind it.

        One beat is decided at a sample; those that are not decided by the end are left out.
        """
        decided: list[int] = []
        after: list[int] = []
        last = -1
        for index, beat in enumerate(found):
            following = found[index + 1] if index + 1 < len(found) else None
            at = beat.pulse.at
            awaited = at + self.timeout
            if following is not None:
                awaited = min(awaited, following.found_at)
            last = max(awaited, beat.found_at, at + self.window.after, last + 1)
            if last >= size:
                break
            decided.append(last)
            known = following is not None and following.found_at <= last
            interval = following.pulse.at - at if known and following else self.timeout
            after.append(min(interval, self.timeout))
        return np.asarray(decided, np.int64), np.asarray(after, np.int64)
