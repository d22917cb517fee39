"""Small reports made by hand, with figures that a test can recompute in its head."""

from __future__ import annotations

import math
from dataclasses import replace

from midge.recipes.ecg.heart_rate import HeartRate, OnBoard, Regime, Rhythm, Tally
from midge.recipes.ecg.report_data import (
    Board,
    Curve,
    Detector,
    EcgReport,
    Goal,
    Published,
    RecordRow,
    Scores,
    Strip,
    StripBeat,
    System,
    Uplink,
)

ROWS = ("N", "S", "V", "F", "Q", "false")
COLUMNS = ("N", "S", "V", "missed")


def scores(n: int = 900, s: int = 40, v: int = 90) -> Scores:
    """So many right out of 1000 N, 50 S and 100 V; wrong ones are called V, or N for V."""
    return Scores(
        rows=ROWS,
        columns=COLUMNS,
        confusion=(
            (n, 0, 1000 - n - 10, 10),
            (50 - s, s, 0, 0),
            (100 - v, 0, v, 0),
            (5, 0, 7, 0),
            (0, 0, 0, 0),
            (3, 0, 0, 0),
        ),
        sensitivity={"N": n / 1000, "S": s / 50, "V": v / 100, "F": None, "Q": None},
        predictivity={"N": 0.95, "S": 1.0 if s else None, "V": v / (v + 1000 - n - 10)},
        f1={"N": 0.93, "S": 0.9, "V": 0.9},
        macro_f1=0.91,
        accuracy=(n + s + v) / 1150,
    )


def curve(name: str, sharpness: float) -> Curve:
    points = tuple((f / 50, (f / 50) ** sharpness) for f in range(51))
    return Curve(name, points, 1 / (1 + sharpness), points[5])


def strip(kind: str, middle: str, device: str, cascade: str, record: str = "208") -> Strip:
    """Six beats in five seconds, the one in the middle wide where it is ventricular."""
    rate = 120.0
    centres = [50, 150, 250, 330, 450, 550]
    classes = ["N", "N", "N", middle, "N", "N"]

    def value(i: int) -> float:
        total = 0.05 * math.sin(i / 60)
        for centre, name in zip(centres, classes, strict=True):
            wide, high = (8.0, -1.3) if name == "V" else (2.5, 1.1)
            total += high * math.exp(-(((i - centre) / wide) ** 2))
            total += 0.25 * math.exp(-(((i - centre - 32) / 9) ** 2))
        return round(total, 3)

    beats = tuple(
        StripBeat(c, name, device if c == 330 else "N", cascade if c == 330 else "N", c == 330)
        for c, name in zip(centres, classes, strict=True)
    )
    return Strip(
        kind=kind,
        right=cascade == middle,
        record=record,
        start_s=754.2,
        rate_hz=rate,
        millivolts=tuple(value(i) for i in range(600)),
        beats=beats,
        middle=3,
        sent=((210, 450),),
    )


def board(name: str, title: str, clock_hz: int, power_uw: float | None) -> Board:
    return Board(
        name=name,
        title=title,
        clock_hz=clock_hz,
        flash_bytes=24_576,
        ram_bytes=6_120,
        stack_bytes=712,
        sample_instructions=(412.4, 9_800),
        beat_instructions=(312_345.5, 330_001),
        cycles=1_812.4,
        beat_cycles=430_001,
        beat_ms=430_001.0 / clock_hz * 1e3,
        duty=0.0123,
        power_uw=power_uw,
        records=("100", "203", "208", "232"),
        beats=9_876,
        equal=True,
    )


def heart_rate() -> HeartRate:
    """Forty beats, one a second; the rate doubles for ten, in fibrillation and another regime."""
    beats = range(40)
    fast = range(20, 30)
    rates = tuple(120.0 if i in fast else 60.0 for i in beats)
    of_record = Tally(
        beats=40, forecast=39, learner_bpm=78.0, last_bpm=117.0, mean_bpm=97.5, flagged=4, odd=10,
        flagged_odd=3, near=20, flagged_near=1, changes=2, rhythm_beats=40, commonest=30,
        by_regime=38, records=1, below_last=1, below_mean=0,
    )  # fmt: skip
    return HeartRate(
        record="208",
        chosen="the first test record of two",
        duration_s=41.0,
        horizon=8,
        false_alarm_rate=0.01,
        at_s=tuple(i + 1.0 for i in beats),
        rate_bpm=rates,
        forecast_bpm=(None, *rates[:-1]),
        anomaly=tuple(0.001 if i in (20, 30) else 0.5 for i in beats),
        flagged=(20, 30),
        regimes=(Regime(1.0, 9.0, -1), Regime(9.0, 24.0, 0), Regime(24.0, 40.0, 1)),
        rhythms=(Rhythm(0.5, 21.0, "N"), Rhythm(21.0, 31.0, "AFIB"), Rhythm(31.0, 41.0, "IVR")),
        ectopic=((5.0, "S"), (21.0, "V")),
        shown=of_record,
        all=of_record + of_record,
        board=OnBoard("Nordic nRF52840", 64_000_000, 30, 19_200.0, 2_528, 2_048, 23_710, True),
    )


def sample() -> EcgReport:
    good = scores()
    device = scores(890, 38, 88)
    sets = {"all": good, "without 232": scores(905, 30, 91)}
    device_sets = {"all": device, "without 232": device, "reference beats": good}
    curves = (curve("V", 0.1), curve("S", 0.25), curve("suspicious", 0.2))
    found = Detector(1150, 1140, 3, 1140 / 1150, 1140 / 1143)
    return EcgReport(
        midge="0.1.0",
        recipe_version="1",
        database="MIT-BIH Arrhythmia Database",
        synthetic=False,
        quick=False,
        seed=0,
        target="nrf52840",
        lead="MLII",
        rate_hz=360,
        train=("101", "106"),
        test=("100", "208"),
        train_beats={"N": 4000, "S": 60, "V": 300, "F": 10, "Q": 1},
        test_beats={"N": 1000, "S": 50, "V": 100, "F": 12, "Q": 0},
        digests={"device network": "0123456789abcdef" * 4},
        sizes={"bytes of the device network": 9_876},
        settings={"thresholds": "S above 0.31, V above 0.42"},
        systems=(
            System("float", "small network, float32", sets, curves),
            System("int8", "small network, int8", sets, curves),
            System("device", "wrist (emulated device)", device_sets, curves),
            System("cloud", "cloud alone", sets, curves),
            System("cascade", "wrist and cloud", sets, curves),
        ),
        detector=found,
        detector_all=found,
        uplink=Uplink(11.0, 1143, 120, 120_000, 1_000_000, 1_333_333, 340_000),
        boards=(
            board("nrf52840", "Nordic nRF52840", 64_000_000, 120.0),
            board("rp2040", "Raspberry Pi RP2040", 133_000_000, None),
        ),
        rows=(
            RecordRow("100", {"N": 600}, found, good, good, 0.02, 0.01),
            RecordRow("208", {"N": 400, "S": 50, "V": 100, "F": 12}, found, device, good, 0.2, 0.1),
        ),
        strips=(
            strip("Ventricular beats that the wrist called so", "V", "V", "V"),
            strip("Ventricular beats that the wrist called so", "V", "V", "V", "233"),
            strip("Put right by the cloud", "S", "N", "S", "222"),
            strip("Wrong in the end", "V", "N", "N", "203"),
        ),
        heart_rate=heart_rate(),
        goals=(
            Goal("ventricular sensitivity of the device", "88.0 %", "at least 90 %", False),
            Goal("bytes sent", "12.0 %", "at most 15 %", True),
            Goal("something without figures", "–", "any", None),
        ),
        published=(
            Published(
                "de Chazal, O'Dwyer, Reilly 2004",
                "two leads",
                83.0,
                {"N": 87.0, "S": 76.0, "V": 77.0},
                {"N": 99.0, "S": 38.0, "V": 82.0},
            ),
        ),
        detector_published=(
            Published("Pan, Tompkins 1985", "all 48 records", None, {"all": 99.76}, {"all": 99.56}),
        ),
    )


def bare() -> EcgReport:
    """As little as a report can hold: no beats of S, no models of cycles, nothing sent."""
    report = sample()
    lone = scores(900, 0, 90)
    unknown = replace(
        report.boards[0], cycles=None, beat_cycles=None, beat_ms=None, duty=None,
        power_uw=None, equal=False,
    )  # fmt: skip
    heart = report.heart_rate
    unnoted = replace(heart.shown, changes=0, near=0, flagged_near=0, rhythm_beats=0)
    return replace(
        report,
        heart_rate=replace(
            heart,
            rhythms=(),
            ectopic=(),
            flagged=(),
            shown=unnoted,
            all=unnoted,
            board=replace(heart.board, cycles=None, equal=False),
        ),
        synthetic=True,
        quick=True,
        systems=tuple(replace(s, scores={"all": lone}, curves=()) for s in report.systems),
        detector_all=None,
        uplink=Uplink(0.0, 0, 0, 0, 0, 0, 0),
        boards=(unknown,),
        strips=(),
        goals=(),
        published=(),
        detector_published=(),
        rows=(),
    )


SAMPLES = {"sample": sample, "bare": bare}
