"""Parameters of the pulse detector: which peaks of an envelope are beats.

The rules are those of Pan and Tompkins 1985 and Hamilton and Tompkins, "Quantitative investigation
of QRS detection rules using the MIT/BIH arrhythmia database", IEEE TBME 33(12), 1986, as
Hamilton's open-source detector of 2002 simplifies them: medians of the last eight heights for the
levels of signal and noise, a threshold between them, a slope test against T waves, and a search
back for what was missed. The state machine is in `pulse_search.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from midge.errors import UserError


@dataclass(frozen=True)
class PulseDetector:
    """Every time in samples of the chain's inner rate; every share in 256ths.

    Attributes:
        hold: A peak counts when none higher follows within this time.
        search: The beat is where the band's magnitude is largest, at most this far from the
            envelope's peak.
        learning: Peaks of this first time set the levels and are judged at its end.
        threshold: Of the way from the noise level to the signal level.
        floor: Height that a beat has at least, in the envelope's units.
        refractory: No beat follows another within this time.
        slow_wave: Until this time after a beat, its slow wave (T) may look like another beat.
        slow_wave_slope: A peak within it counts only with this share of the beat's slope.
        search_back_rr: A beat is overdue after this multiple of the median interval.
        search_back: Share of the threshold that is enough when a beat is overdue.
        longest_rr: A beat is overdue after this time in any case.
        relax: While a beat is overdue, the signal level falls by a quarter each such time.
        noisy: A beat is marked noisy while the noise level is at least this share of the signal
            level.
    """

    hold: int
    search: int
    learning: int
    threshold: int
    floor: int
    refractory: int
    slow_wave: int
    slow_wave_slope: int
    search_back_rr: int
    search_back: int
    longest_rr: int
    relax: int
    noisy: int

    def __post_init__(self) -> None:
        """Check what the state machine relies on.

        Raises:
            UserError: a value is out of range, or two contradict each other.
        """
        for name in (
            "hold",
            "search",
            "learning",
            "floor",
            "refractory",
            "slow_wave",
            "longest_rr",
            "relax",
        ):
            value = getattr(self, name)
            if not 1 <= value <= 1 << 14:
                raise UserError(f"PulseDetector: {name} is {value}; expected 1 to 16384 samples")
        for name, high in (
            ("threshold", 256),
            ("slow_wave_slope", 1024),
            ("search_back_rr", 1024),
            ("search_back", 256),
            ("noisy", 1024),
        ):
            value = getattr(self, name)
            if not 1 <= value <= high:
                raise UserError(f"PulseDetector: {name} is {value}; expected 1 to {high} 256ths")
        if not self.refractory <= self.slow_wave < self.longest_rr:
            raise UserError(
                f"PulseDetector: refractory {self.refractory}, slow_wave {self.slow_wave} and "
                f"longest_rr {self.longest_rr} must rise in this order"
            )

    @classmethod
    def for_rate(
        cls,
        rate_hz: float,
        *,
        hold_s: float = 0.25,
        search_s: float = 0.1,
        learning_s: float = 1.5,
        threshold: float = 0.3,
        floor: int = 100,
        refractory_s: float = 0.2,
        slow_wave_s: float = 0.36,
        slow_wave_slope: float = 0.5,
        search_back_rr: float = 1.5,
        search_back: float = 0.5,
        longest_rr_s: float = 2.0,
        relax_s: float = 1.0,
        noisy: float = 0.5,
    ) -> PulseDetector:
        """The parameters in seconds and fractions, named as the attributes that they become."""

        def samples(seconds: float) -> int:
            return max(1, round(seconds * rate_hz))

        return cls(
            hold=samples(hold_s),
            search=samples(search_s),
            learning=samples(learning_s),
            threshold=round(threshold * 256),
            floor=floor,
            refractory=samples(refractory_s),
            slow_wave=samples(slow_wave_s),
            slow_wave_slope=round(slow_wave_slope * 256),
            search_back_rr=round(search_back_rr * 256),
            search_back=round(search_back * 256),
            longest_rr=samples(longest_rr_s),
            relax=samples(relax_s),
            noisy=round(noisy * 256),
        )

    @property
    def first_rr(self) -> int:
        """The interval that is expected before one was seen: half of the longest."""
        return self.longest_rr // 2
