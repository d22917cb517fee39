"""Electrocardiograms out of a dynamical model, for machines without the real ones.

McSharry, Clifford, Tarassenko and Smith 2003, "A dynamical model for generating synthetic
electrocardiogram signals", IEEE TBME 50(3):289-294. A point goes round the unit circle once a beat
(equations 1 and 2); at five angles it is pulled off the plane, which draws the waves P, Q, R, S, T
(equation 3, table I); how long a round takes follows a spectrum with a low-frequency (Mayer waves)
and a high-frequency peak (breathing; equations 4 to 6).

On the limit cycle the first two equations are the angle's: it grows by 2 pi a beat. So only the
third is integrated, by the Runge-Kutta method of fourth order as in the paper. That one is linear,
and a step becomes ``z <- c z + g`` with all ``g`` computed at once.

What the paper does not have: ectopic beats (early, and for V wide, without P, with an opposed T),
fusion beats, patients who differ, muscle noise, slow wander of the electrodes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.recipes.ecg.records import LEAD, RATE_HZ, Record

FloatArray = npt.NDArray[np.float64]

SYNTHETIC_DS1 = tuple(f"syn{number:02}" for number in range(1, 23))
SYNTHETIC_DS2 = tuple(f"syn{number:02}" for number in range(23, 45))

SECONDS = 240.0
_GAIN = 200.0
_ADC_BITS = 11
_MARGIN_S = 3.0
"""Simulated before and after the record, so that it starts within a beat like a real one."""

# Of a beat of one patient after the other. Whatever the seed, five patients have every class to
# learn, and hardly two have the same mixture.
_SUPRAVENTRICULAR = (0.0, 0.04, 0.12, 0.01)
_VENTRICULAR = (0.08, 0.02, 0.0, 0.2, 0.05)
_FUSION = (0.02, 0.0, 0.0)


@dataclass(frozen=True)
class Waves:
    """Table I of the paper for one kind of beat: P, Q, R, S, T.

    Attributes:
        angles: float64 [5], where each wave stands on the circle, rad; R at 0.
        heights: float64 [5], the pull off the plane, `a` of the paper.
        widths: float64 [5], rad, `b` of the paper.
    """

    angles: FloatArray
    heights: FloatArray
    widths: FloatArray


@dataclass(frozen=True)
class Patient:
    """What makes one heart, and one recording of it, different from another.

    Attributes:
        waves: Of each class of beat that occurs: N, S, V, F.
        rr_s: Mean interval between beats.
        rr_spread: Standard deviation of the interval over its mean.
        low_over_high: LF/HF ratio of the interval's spectrum; 0.5 in the paper.
        chances: Of a beat being S, V, F.
        millivolts: Height of a normal R wave.
        wander_mv: Slow drift of the base line, standard deviation.
        noise_mv: Muscle noise, standard deviation at rest.
    """

    waves: dict[str, Waves]
    rr_s: float
    rr_spread: float
    low_over_high: float
    chances: tuple[float, float, float]
    millivolts: float
    wander_mv: float
    noise_mv: float


NORMAL = Waves(
    np.array([-1 / 3, -1 / 12, 0, 1 / 12, 1 / 2]) * np.pi,
    np.array([1.2, -5.0, 30.0, -7.5, 0.75]),
    np.array([0.25, 0.1, 0.1, 0.1, 0.4]),
)
"""The values of the paper."""


def synthesise(name: str, seed: int = 0, seconds: float = SECONDS) -> Record:
    """Make one record; the same arguments give the same bytes.

    Args:
        name: ``syn01`` to ``syn44``: each is another patient.
        seed: Of patients and noise.
        seconds: Length of the record.

    Returns:
        A record with `synthetic` set, at 360 Hz, 200 ADC units a millivolt.

    Raises:
        UserError: there is no patient of that name, or the length is below 10 s.
    """
    if name not in SYNTHETIC_DS1 + SYNTHETIC_DS2:
        raise UserError(f"{name}: no synthetic record; expected syn01 to syn44")
    if not seconds >= 10:
        raise UserError(f"{name}: a record of {seconds:g} s; expected at least 10 s")
    generator = np.random.default_rng([seed, int(name[3:])])
    patient = _patient(int(name[3:]), generator)
    times, classes = _schedule(patient, seconds + 2 * _MARGIN_S, generator)
    clean = _integrate(patient, times, classes, seconds)
    count = clean.size
    shown = clean + _wander(patient, count, generator) + _noise(patient, count, generator)
    rail = 1 << (_ADC_BITS - 1)
    samples = np.clip(np.rint(shown * _GAIN), -rail, rail - 1).astype(np.int16)
    beats = np.rint((times - _MARGIN_S) * RATE_HZ).astype(np.int64)
    inside = (beats >= 0) & (beats < count)
    return Record(
        name=name,
        rate_hz=RATE_HZ,
        lead=LEAD,
        samples=samples,
        gain=_GAIN,
        beats=beats[inside],
        classes=classes[inside],
        adc_bits=_ADC_BITS,
        synthetic=True,
    )


def _patient(number: int, generator: np.random.Generator) -> Patient:
    normal = _varied(NORMAL, generator)
    # From another place in the atria: P comes nearer, is flatter or upside down.
    supraventricular = replace(
        normal,
        angles=normal.angles * [0.8, 1, 1, 1, 1],
        heights=normal.heights * [generator.uniform(-0.8, 0.5), 1, 1, 1, 1],
    )
    upright = generator.choice([-1.0, 1.0], p=[0.3, 0.7])
    width = generator.uniform(0.2, 0.3)
    # A wave's area goes with height times width squared; this keeps R as tall as a normal one.
    tall = upright * generator.uniform(0.9, 1.6) * 0.3 / width**2
    ventricular = Waves(
        np.array([-1.3, -0.5, 0.0, 0.6, 1.9]),
        np.array([0.0, -0.1 * tall, tall, -0.25 * tall, -0.12 * tall]),
        np.array([0.2, 0.15, width, 0.2, 0.45]),
    )
    fusion = Waves(
        *(
            (getattr(normal, part) + getattr(ventricular, part)) / 2
            for part in ("angles", "heights", "widths")
        )
    )
    return Patient(
        waves={"N": normal, "S": supraventricular, "V": ventricular, "F": fusion},
        rr_s=generator.uniform(0.65, 1.1),
        rr_spread=generator.uniform(0.02, 0.06),
        low_over_high=generator.uniform(0.3, 3.0),
        chances=(
            _SUPRAVENTRICULAR[number % len(_SUPRAVENTRICULAR)],
            _VENTRICULAR[number % len(_VENTRICULAR)],
            _FUSION[number % len(_FUSION)],
        ),
        millivolts=generator.uniform(0.7, 1.8),
        wander_mv=generator.uniform(0.02, 0.15),
        noise_mv=generator.uniform(0.005, 0.03),
    )


def _varied(waves: Waves, generator: np.random.Generator) -> Waves:
    """Another person's waves, R still at angle 0 and as tall."""
    angles = waves.angles * generator.normal(1, 0.05, 5)
    heights = waves.heights * np.exp(generator.normal(0, [0.3, 0.3, 0, 0.3, 0.3]))
    return Waves(angles, heights, waves.widths * np.exp(generator.normal(0, 0.08, 5)))


def _schedule(
    patient: Patient, seconds: float, generator: np.random.Generator
) -> tuple[FloatArray, npt.NDArray[np.str_]]:
    """Times of the R peaks from 0 to past the end, and each beat's class."""
    intervals = _intervals(patient, int(seconds / patient.rr_s * 2) + 16, generator)
    supraventricular, ventricular, fusion = patient.chances
    now, times, classes = 0.0, [0.0], ["N"]
    pause: float | None = None
    for interval in intervals.tolist():
        step, kind = interval, "N"
        drawn, early = generator.random(), generator.uniform(0.55, 0.8)
        if pause is not None:
            step, pause = pause, None
        elif drawn < supraventricular:
            # The sinus node is reset: the next beat comes one interval later.
            step, kind, pause = early * interval, "S", interval * generator.uniform(1.0, 1.1)
        elif drawn < supraventricular + ventricular:
            # It is not: the next beat stands where it would have stood anyway.
            step, kind, pause = early * interval, "V", (2 - early) * interval
        elif drawn < supraventricular + ventricular + fusion:
            kind = "F"
        now += step
        times.append(now)
        classes.append(kind)
        if now > seconds + 2:
            break
    return np.array(times), np.array(classes, "<U1")


def _intervals(patient: Patient, count: int, generator: np.random.Generator) -> FloatArray:
    """Intervals of the sinus rhythm in seconds, by the paper's spectrum and random phases."""
    frequency = np.fft.rfftfreq(count, patient.rr_s)
    spread_hz = 0.01
    power = patient.low_over_high * np.exp(-((frequency - 0.1) ** 2) / (2 * spread_hz**2))
    power += np.exp(-((frequency - 0.25) ** 2) / (2 * spread_hz**2))
    power[0] = 0
    phases = generator.uniform(0, 2 * np.pi, frequency.size)
    series = np.fft.irfft(np.sqrt(power) * np.exp(1j * phases), count)
    deviation = series * (patient.rr_spread / max(float(series.std()), 1e-12))
    rr: FloatArray = patient.rr_s * np.clip(1 + deviation, 0.7, 1.3)
    return rr


def _integrate(
    patient: Patient, times: FloatArray, classes: npt.NDArray[np.str_], seconds: float
) -> FloatArray:
    """Equation 3 by Runge-Kutta, one step a sample; millivolts [n]."""
    step = 1 / RATE_HZ
    count = int(seconds * RATE_HZ)
    margin = int(_MARGIN_S * RATE_HZ)
    # At whole and half steps, as the method needs.
    at = np.linspace(0, (count + margin) * step, 2 * (count + margin) + 1)
    pull = _pull(patient, times, classes, at)
    # z' = p(t) - z, so k1 = p0 - z, k2 = p1 - z - h/2 k1, k3 = p1 - z - h/2 k2, k4 = p2 - z - h k3.
    start, middle, end = pull[:-1:2], pull[1::2], pull[2::2]
    h = step
    keep = 1 - h + h**2 / 2 - h**3 / 6 + h**4 / 24
    gain_start = h / 6 * (1 - h + h**2 / 2 - h**3 / 4)
    gain_middle = h / 6 * (4 - 2 * h + h**2 / 2)
    added = gain_start * start + gain_middle * middle + h / 6 * end
    z = np.array(list(accumulate(added.tolist(), lambda z, g: keep * z + g)))
    return z[margin : margin + count]


def _pull(
    patient: Patient, times: FloatArray, classes: npt.NDArray[np.str_], at: FloatArray
) -> FloatArray:
    """What pulls z off the plane at each time: the waves, and breathing (z0 in the paper)."""
    nth = np.clip(np.searchsorted(times, at, "right") - 1, 0, times.size - 2)
    rr = times[nth + 1] - times[nth]
    angle = 2 * np.pi * (at - times[nth]) / rr
    # Up to half a round the waves belong to the beat behind, then to the one ahead.
    ahead = angle > np.pi
    angle = np.where(ahead, angle - 2 * np.pi, angle)
    beat = nth + ahead
    # As the authors' ECGSYN: waves widen with the root of the rate, so that heights stay.
    squeeze = np.sqrt(1 / rr)
    kinds = sorted(patient.waves)
    index = np.searchsorted(kinds, classes)[beat]
    pull = np.zeros_like(at)
    for wave in range(5):
        centre, height, width = (
            np.array([getattr(patient.waves[kind], part)[wave] for kind in kinds])[index]
            for part in ("angles", "heights", "widths")
        )
        away = angle - centre * squeeze
        pull -= height * away * np.exp(-(away**2) / (2 * (width * squeeze) ** 2))
    # Without neighbours a normal R wave would rise to a b^2 / (2 pi).
    normal = patient.waves["N"]
    scale = patient.millivolts * 2 * np.pi / (normal.heights[2] * normal.widths[2] ** 2)
    breathing = 0.15 * np.sin(2 * np.pi * 0.25 * at)
    whole: FloatArray = scale * pull + breathing
    return whole


def _wander(patient: Patient, count: int, generator: np.random.Generator) -> FloatArray:
    """Electrodes that drift: random phases below 0.4 Hz, more the slower."""
    frequency = np.fft.rfftfreq(count, 1 / RATE_HZ)
    slow = (frequency > 0.02) & (frequency < 0.4)
    power = np.where(slow, 1 / np.maximum(frequency, 0.02), 0.0)
    phases = np.exp(1j * generator.uniform(0, 2 * np.pi, frequency.size))
    series: FloatArray = np.fft.irfft(np.sqrt(power) * phases, count)
    return series * (patient.wander_mv / max(float(series.std()), 1e-12))


def _noise(patient: Patient, count: int, generator: np.random.Generator) -> FloatArray:
    """Muscles: noise of 20 to 120 Hz, now and then a few times as strong."""
    white = np.fft.rfft(generator.normal(0, 1, count))
    frequency = np.fft.rfftfreq(count, 1 / RATE_HZ)
    series = np.fft.irfft(white * ((frequency > 20) & (frequency < 120)), count)
    series *= patient.noise_mv / max(float(series.std()), 1e-12)
    strength = np.full(count, 1.0)
    for _ in range(generator.poisson(count / RATE_HZ / 60)):
        begin, length = generator.integers(0, count), int(generator.uniform(1, 5) * RATE_HZ)
        strength[begin : begin + length] = generator.uniform(2, 5)
    shaken: FloatArray = series * strength
    return shaken
