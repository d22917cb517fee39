"""Records made by hand with all that was said of their beats."""

from __future__ import annotations

import numpy as np

from midge.recipes.ecg.beat_matching import match_record
from midge.recipes.ecg.judged import Judged
from midge.recipes.ecg.records import Record
from midge.recipes.ecg.uplink import Traffic


def judged(
    name: str, truth: str, device: str, cascade: str, flagged: str, missed: tuple[int, ...] = ()
) -> Judged:
    """A beat a second; the beats whose index is in `missed` were not detected."""
    count = len(truth)
    beats = (np.arange(count) + 1) * 360
    samples = np.zeros((count + 2) * 360, np.int16)
    samples[beats] = 200
    record = Record(name, 360, "MLII", samples, 200.0, beats, np.array(list(truth)))
    seen = np.array([i for i in range(count) if i not in missed])
    positions = beats[seen] + 5
    return Judged(
        record=record,
        positions=positions,
        matching=match_record(record, positions),
        labels={
            "device": np.array(list(device))[seen],
            "cascade": np.array(list(cascade))[seen],
        },
        flagged=np.array([f == "!" for f in flagged])[seen],
        sent=np.array([[1000, 2000]]),
        traffic=Traffic(
            samples=samples.size,
            seconds=samples.size / 360,
            beats=positions.size,
            flagged=flagged.count("!"),
            sent_bytes=100,
            coded_bytes=1000,
        ),
        scores={
            name: np.eye(3, dtype=np.float32)[["NSV".index(c) for c in np.array(list(said))[seen]]]
            for name, said in (("device", device), ("cascade", cascade))
        },
        at_reference={},
    )
