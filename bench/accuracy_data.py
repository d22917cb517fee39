"""Real data to train micro-sized networks on: handwritten digits, and heartbeats of MIT-BIH.

Digits are scikit-learn's (UCI, 1,797 images of 8x8). Heartbeats are beats of DS1 (de Chazal 2004),
ventricular ones (AAMI class V) against classes N and S, which the shape of one beat does not tell
apart; folds by patient, so that nobody is both trained on and tested. DS2 is not read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.mlperf_tiny import REPOSITORY
from midge import UserError

Float32Array = npt.NDArray[np.float32]
LabelArray = npt.NDArray[np.int64]

FOLDS = 5
_RECORDS = (
    *("101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122"),
    *("124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230"),
)
"""DS1."""
_CLASSES = {
    **dict.fromkeys("NLRejAaJS", 0),
    **dict.fromkeys("VE", 1),
}
_BEFORE = 1 / 3
"""Of the window lies in front of the R peak."""
_MOST_A_CLASS = 300
"""Beats of one class that a record gives: normal ones are fifty times as many as others."""


@dataclass(frozen=True)
class Fold:
    """What is trained on, and what is tested on.

    Attributes:
        x_train: float32 [n, ...].
        y_train: int64 [n].
        x_test: float32 [m, ...].
        y_test: int64 [m].
    """

    x_train: Float32Array
    y_train: LabelArray
    x_test: Float32Array
    y_test: LabelArray


def digits(number: int) -> Fold:
    """One of `FOLDS` folds of the digits, [n, 1, 8, 8], from -0.3 to 0.7."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - slow to import
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    data = load_digits()
    images = data.images[:, None].astype(np.float32) / 16 - 0.3
    labels = data.target.astype(np.int64)
    splits = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(images, labels)
    train, test = list(splits)[number]
    return Fold(images[train], labels[train], images[test], labels[test])


def heartbeats(number: int, length: int, decimation: int) -> Fold:
    """One of `FOLDS` folds of the patients of DS1.

    Args:
        number: Which fold is tested on.
        length: Samples of a window.
        decimation: How many samples of 360 Hz become one, their mean.

    Returns:
        Lead 0 in millivolts without the window's mean, [n, 1, length].

    Raises:
        UserError: ``MIDGE_DATA`` does not name a folder with ``data/mitdb``.
    """
    held_out = _RECORDS[number::FOLDS]
    parts = {name: _record(name, length, decimation) for name in _RECORDS}
    train = [parts[n] for n in _RECORDS if n not in held_out]
    test = [parts[n] for n in held_out]
    return Fold(*_joined(train), *_joined(test))


def _joined(parts: list[tuple[Float32Array, LabelArray]]) -> tuple[Float32Array, LabelArray]:
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


@cache
def _record(name: str, length: int, decimation: int) -> tuple[Float32Array, LabelArray]:
    """Beats of one record."""
    import wfdb  # noqa: PLC0415 - slow to import

    folder = Path(os.environ.get("MIDGE_DATA", REPOSITORY.parent / "shared")) / "data" / "mitdb"
    if not (folder / f"{name}.dat").is_file():
        raise UserError(
            f"{folder}: holds no {name}.dat; set MIDGE_DATA to a folder with data/mitdb in it"
        )
    path = str(folder / name)
    signal = wfdb.rdrecord(path, channels=[0]).p_signal[:, 0]
    annotation = wfdb.rdann(path, "atr")
    usable = signal.size // decimation * decimation
    slow = signal[:usable].reshape(-1, decimation).mean(axis=1)
    before = int(length * _BEFORE)
    generator = np.random.default_rng(int(name))
    windows: list[npt.NDArray[np.float64]] = []
    labels: list[int] = []
    by_class: dict[int, list[int]] = {0: [], 1: []}
    for at, symbol in zip(annotation.sample, annotation.symbol, strict=True):
        peak = int(at) // decimation
        if symbol in _CLASSES and before <= peak <= slow.size - length + before:
            by_class[_CLASSES[symbol]].append(peak)
    for label, peaks in by_class.items():
        chosen = generator.permutation(peaks)[:_MOST_A_CLASS] if peaks else []
        for peak in sorted(int(p) for p in chosen):
            window = slow[peak - before : peak - before + length]
            windows.append(window - window.mean())
            labels.append(label)
    return np.array(windows, np.float32)[:, None], np.array(labels, np.int64)
