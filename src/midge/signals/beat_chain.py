"""A chain for beats as they come: heartbeats of an electrocardiogram at 180 to 1000 Hz."""

from __future__ import annotations

from midge.signals.chain import Chain
from midge.signals.filters import Difference, MovingSum, RemoveMean
from midge.signals.pointwise import Absolute, ShiftRight, StartAtZero
from midge.signals.pulse_detector import PulseDetector
from midge.signals.quality import SignalQuality
from midge.signals.stage import LARGEST_INT16, Stage, largest_after
from midge.signals.window import BeatWindow

INNER_RATE_HZ = 180
"""About the rate at which beats are looked for."""

DEFAULT_FEATURES = (
    "rr_before_ms",
    "rr_after_ms",
    "rr_before_to_local",
    "rr_after_to_local",
    "rr_before_to_long",
    "rr_previous_to_local",
    "amplitude_to_usual",
    "width_to_usual",
)


def heartbeat_chain(
    name: str,
    rate_hz: int,
    *,
    detector: PulseDetector | None = None,
    features: tuple[str, ...] = DEFAULT_FEATURES,
    window_before_s: float = 0.3,
    window_after_s: float = 0.5,
    window_stride: int = 1,
    baseline_s: float = 0.71,
    smooth_s: tuple[float, ...] = (0.028, 0.028),
    focus_s: float = 0.139,
    slope_s: float = 0.011,
    integrate_s: float = 0.117,
    timeout_s: float = 1.6,
    rails: tuple[int, int] = (-1024, 1023),
    flat_range: int = 8,
) -> Chain:
    """Band-pass, slope, magnitude, integral: the filters of Pan and Tompkins 1985 as running sums.

    Args:
        name: Of the chain.
        rate_hz: Of the samples.
        detector: Its rules; None takes `PulseDetector.for_rate`.
        features: Names in `FEATURES`.
        window_before_s: From the window's first point to the beat.
        window_after_s: From the beat to the window's last point.
        window_stride: Inner samples between points.
        baseline_s: What changes slower than this is removed from the band.
        smooth_s: Running means in front of the slope.
        focus_s: What changes slower than this is removed behind them: slow waves.
        slope_s: Distance of the two samples whose difference is the slope.
        integrate_s: Running mean of the slope's magnitude.
        timeout_s: A beat that none follows is decided after this.
        rails: The converter's least and largest sample.
        flat_range: Samples that stay within such a range for a second are no signal.
    """
    decimate = max(1, round(rate_hz / INNER_RATE_HZ))
    inner = rate_hz / decimate

    def samples(seconds: float, least: int = 2) -> int:
        return max(least, round(seconds * inner))

    # Bits that the converter does not use carry fractions.
    span = min(rails[1] - rails[0], LARGEST_INT16)
    front: list[Stage] = [StartAtZero(span)]
    if decimate > 1:
        front.append(MovingSum(decimate))
    if decimate > 1 and largest_after(front, span, name) > LARGEST_INT16:
        front.append(_down_to_int16(front, span))
    front_largest = largest_after(front, span, name)
    band: list[Stage] = [MovingSum(3), RemoveMean(samples(baseline_s))]
    band.append(_down_to_int16(band, front_largest))
    band_largest = largest_after(band, front_largest, name)
    envelope: list[Stage] = [MovingSum(samples(seconds)) for seconds in smooth_s]
    envelope.append(_down_to_int16(envelope, band_largest))
    envelope.append(RemoveMean(samples(focus_s)))
    envelope.append(_down_to_int16(envelope, band_largest))
    envelope += [Difference(samples(slope_s, 1)), Absolute(), MovingSum(samples(integrate_s))]
    before = samples(window_before_s)
    points = (before + samples(window_after_s)) // window_stride
    return Chain(
        name=name,
        rate_hz=rate_hz,
        front=tuple(front),
        decimate=decimate,
        band=tuple(band),
        envelope=tuple(envelope),
        detector=detector or PulseDetector.for_rate(inner),
        window=BeatWindow(before, points, window_stride),
        features=features,
        quality=SignalQuality(max(2, rate_hz // 4), flat_range, *rails, max(2, rate_hz // 90)),
        timeout=samples(timeout_s),
    )


def _down_to_int16(stages: list[Stage], input_largest: int) -> ShiftRight:
    """The shift behind some stages that brings what comes out into int16, one bit at least."""
    largest = largest_after(stages, input_largest, "heartbeat_chain")
    return ShiftRight(max(1, largest.bit_length() - 15))
