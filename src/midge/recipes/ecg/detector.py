"""The ECG's chain: filters, rules of the beat detector, window and features for the network.

The band-pass, slope, magnitude and integral of Pan and Tompkins 1985 (IEEE TBME 32(3):230-236), and
the rules that `midge.signals` takes from Hamilton and Tompkins 1986. The values were chosen on the
patients of DS1 alone; docs/ecg-detector.md says how and what they do.
"""

from __future__ import annotations

from dataclasses import replace

from midge.signals import (
    DEFAULT_FEATURES,
    Absolute,
    Chain,
    Difference,
    MovingSum,
    PulseDetector,
    RemoveMean,
    ShiftRight,
    Stage,
    heartbeat_chain,
)

HOLD_S = 0.25
"""A peak that a higher one follows within this time is no beat: in patients whose QRS is low, P
stands 0.2 to 0.25 s before it and is no lower than half of it (record 108)."""
THRESHOLD = 0.28
"""Of the way from noise to signal. Ectopic beats are lower than the patient's usual ones (201)."""
LONGEST_RR_S = 1.6
FLOOR = 32
"""The envelope of a QRS of 0.03 mV; noise of one ADC unit reaches 11. Below it there is no beat."""

_SMOOTH_S = (0.028, 0.028)
_BASELINE_S = 0.139
_SLOPE_S = 0.011
_INTEGRATE_S = 0.117


def ecg_chain(
    rate_hz: int = 360,
    features: tuple[str, ...] = DEFAULT_FEATURES,
    window_stride: int = 1,
) -> Chain:
    """The chain of the recipe, for one lead near MLII.

    Args:
        rate_hz: Of the samples.
        features: Names in `midge.signals.FEATURES`, in the order in which a network takes them.
        window_stride: Samples of 180 Hz between two points of a window.

    Raises:
        UserError: a feature is not known, or the rate suits no filter.
    """
    chain = heartbeat_chain("ecg", rate_hz, features=features, window_stride=window_stride)
    rules = PulseDetector.for_rate(
        chain.inner_rate_hz,
        hold_s=HOLD_S,
        threshold=THRESHOLD,
        longest_rr_s=LONGEST_RR_S,
        floor=FLOOR,
    )
    return replace(chain, detector=rules, envelope=_envelope(chain.inner_rate_hz))


def _envelope(inner_rate_hz: float) -> tuple[Stage, ...]:
    """From the band to how much the signal slopes in the QRS's band of about 5 to 15 Hz."""

    def samples(seconds: float) -> int:
        return max(2, round(seconds * inner_rate_hz))

    return (
        *(MovingSum(samples(seconds)) for seconds in _SMOOTH_S),
        ShiftRight(5),
        RemoveMean(samples(_BASELINE_S)),
        ShiftRight(5),
        Difference(samples(_SLOPE_S)),
        Absolute(),
        MovingSum(samples(_INTEGRATE_S)),
        ShiftRight(1),
    )
