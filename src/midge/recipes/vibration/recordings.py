"""Recordings of bearings: the university's files, or ones made up where there are none.

Case Western Reserve University's Bearing Data Center: accelerometer at the drive end, 48 kHz, no
load, faults of 7, 14 and 21 thousandths of an inch in inner race, ball and outer race of an SKF
6205 bearing. Windows drawn at random from the same recording leak and give 100 %, so the split is
by fault size: 7 and 21 train, 14 tests. Of the single healthy recording the first 60 % train and
the last 30 % test. Smith and Randall 2015 (Mechanical Systems and Signal Processing 64-65) find
that several of these recordings, those at 14 mil among them, do not show their fault clearly.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from midge.errors import ToolError, UserError

RATE_HZ = 48_000
COUNTS_PER_G = 4096
"""Of the sensor's converter: int16 reaches 8 g."""
CLASSES = ("healthy", "ball", "inner race", "outer race")
_KINDS = {"97": 0, "B": 1, "IR": 2, "OR": 3}
_TEST_SIZE = "014"
_TRAIN_END, _TEST_BEGIN = 0.6, 0.7

SHAFT_HZ = 29.95
FAULT_ORDERS = (0.0, 4.714, 5.415, 3.585)
"""Impulses a turn of the shaft by class, by the geometry of the 6205; a ball hits both races."""
SYNTHETIC_S = 1.5


@dataclass(frozen=True)
class Recording:
    """One stretch of vibration.

    Attributes:
        name: Of its file, or of what was made up.
        label: Index into `CLASSES`.
        test: Whether it is kept for the test.
        samples: int16 [n] at `RATE_HZ`, `COUNTS_PER_G` to a g.
    """

    name: str
    label: int
    test: bool
    samples: npt.NDArray[np.int16]


@dataclass(frozen=True)
class Recordings:
    """All of a run.

    Attributes:
        notice: Which these are, for people; no path is in it.
        synthetic: They are made up.
        parts: Train and test.
    """

    notice: str
    synthetic: bool
    parts: tuple[Recording, ...]


def find_folder(data: Path | None) -> Path | None:
    """Where the files are: the folder given, or ``data/cwru`` of MIDGE_DATA; None for nowhere.

    Raises:
        UserError: the folder given holds none.
    """
    if data is not None:
        for inside in (data, data / "cwru", data / "data" / "cwru"):
            if any(inside.glob("*.mat")):
                return inside
        raise UserError(
            f"{data}: holds no .mat files; expected the bearing data of Case Western Reserve "
            "University, such as 97_Normal_0.mat. Leave --data out to have signals made up"
        )
    named = os.environ.get("MIDGE_DATA")
    usual = Path(named) / "data" / "cwru" if named else None
    return usual if usual is not None and any(usual.glob("*.mat")) else None


def open_recordings(data: Path | None, seed: int) -> Recordings:
    """Read the files, or make signals up.

    Raises:
        UserError: a file is damaged, or not of the collection.
        ToolError: SciPy, which reads the files, is missing.
    """
    folder = find_folder(data)
    if folder is None:
        return _made_up(seed)
    parts: list[Recording] = []
    for path in sorted(folder.glob("*.mat")):
        kind = path.name.split("_", 1)[0]
        if kind not in _KINDS:
            raise UserError(
                f"{path}: expected names like 97_Normal_0.mat, B_007_122_0.mat, IR_014_174_0.mat"
            )
        samples = _read(path)
        if kind == "97":
            ends = (int(_TRAIN_END * samples.size), int(_TEST_BEGIN * samples.size))
            parts.append(Recording(path.stem, 0, False, samples[: ends[0]]))
            parts.append(Recording(path.stem, 0, True, samples[ends[1] :]))
        else:
            test = f"_{_TEST_SIZE}" in path.name
            parts.append(Recording(path.stem, _KINDS[kind], test, samples))
    _check_halves(folder, parts)
    return Recordings("Case Western Reserve University, 48 kHz, no load", False, tuple(parts))


def _check_halves(folder: Path, parts: Sequence[Recording]) -> None:
    for test in (False, True):
        missing = set(range(len(CLASSES))) - {part.label for part in parts if part.test == test}
        if missing:
            names = ", ".join(CLASSES[label] for label in sorted(missing))
            raise UserError(
                f"{folder}: no recording of {names} to {'test on' if test else 'train with'}; "
                "expected the healthy one, and each fault at 7, 14 and 21 mil"
            )


def _read(path: Path) -> npt.NDArray[np.int16]:
    try:
        from scipy.io import loadmat  # noqa: PLC0415 - an extra that only this needs
    except ImportError:
        raise ToolError(
            "SciPy reads .mat files and is not installed: pip install 'midge[vibration]'"
        ) from None
    try:
        content = loadmat(path)
    except Exception as error:  # SciPy raises what it likes on damaged files
        raise UserError(
            f"{path}: is no .mat file that can be read ({type(error).__name__}: {error}); fetch "
            "it again"
        ) from None
    names = [name for name in content if name.endswith("_DE_time")]
    if len(names) != 1:
        raise UserError(f"{path}: expected one variable ..._DE_time, found {len(names)}")
    values = np.asarray(content[names[0]], np.float64).reshape(-1)
    if values.size < RATE_HZ or not np.isfinite(values).all():
        raise UserError(
            f"{path}: expected at least a second of finite numbers at {RATE_HZ} Hz, found "
            f"{values.size} with {int(np.sum(~np.isfinite(values)))} that are none"
        )
    return np.clip(np.rint(values * COUNTS_PER_G), -32768, 32767).astype(np.int16)


def _made_up(seed: int) -> Recordings:
    """Impulses at the rates of the faults ring a damped resonance; noise; other machines differ."""
    random = np.random.default_rng(seed)
    parts = []
    for test in (False, True):
        for machine in range(2 if test else 4):
            for label in range(len(CLASSES)):
                name = f"made-up {CLASSES[label]} {'test' if test else 'train'} {machine + 1}"
                parts.append(Recording(name, label, test, _vibration(label, random)))
    return Recordings(f"SYNTHETIC bearings, seed {seed}", True, tuple(parts))


def _vibration(label: int, random: np.random.Generator) -> npt.NDArray[np.int16]:
    count = int(SYNTHETIC_S * RATE_HZ)
    time = np.arange(count) / RATE_HZ
    shaft = SHAFT_HZ * random.uniform(0.98, 1.02)
    signal = 0.05 * np.sin(2 * np.pi * shaft * time) + random.normal(0, 0.06, count)
    order = FAULT_ORDERS[label]
    if order:
        period = RATE_HZ / (order * shaft)
        jitter = random.normal(0, 0.01 * period, int(count / period))
        hits = (np.arange(int(count / period)) * period + jitter).astype(int)
        impulses = np.zeros(count)
        strength = random.uniform(0.5, 1.5)
        # The load zone passes the inner race and the ball once a turn; the outer race stands still.
        load = 1 + 0.7 * np.cos(2 * np.pi * shaft * time) if label != 3 else np.ones(count)
        hits = hits[(hits >= 0) & (hits < count)]
        impulses[hits] = strength * load[hits]
        ring = np.arange(480) / RATE_HZ
        response = np.exp(-ring * 900) * np.sin(2 * np.pi * random.uniform(2800, 3600) * ring)
        signal += np.convolve(impulses, response)[:count]
    return np.clip(np.rint(signal * COUNTS_PER_G), -32768, 32767).astype(np.int16)
