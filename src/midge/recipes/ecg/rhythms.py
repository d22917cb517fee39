"""Rhythms as the cardiologists noted them: what a learner's findings are shown beside."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from midge.errors import UserError
from midge.recipes.ecg.records import import_wfdb

SINUS, FIBRILLATION = "N", "AFIB"
RHYTHMS = {
    SINUS: "sinus rhythm",
    FIBRILLATION: "atrial fibrillation",
    "AFL": "atrial flutter",
    "AB": "atrial bigeminy",
    "SVTA": "supraventricular tachycardia",
    "NOD": "nodal rhythm",
    "SBR": "sinus bradycardia",
    "B": "ventricular bigeminy",
    "T": "ventricular trigeminy",
    "VT": "ventricular tachycardia",
    "VFL": "ventricular flutter",
    "IVR": "idioventricular rhythm",
    "BII": "second-degree block",
    "PREX": "pre-excitation",
    "P": "paced",
}
"""MIT-BIH's names of rhythms, and what they stand for."""


@dataclass(frozen=True)
class Episode:
    """A stretch of one rhythm.

    Attributes:
        first: Its first sample.
        end: The first sample behind it.
        name: As in `RHYTHMS`.
    """

    first: int
    end: int
    name: str


def read_rhythms(folder: Path, name: str, samples: int) -> tuple[Episode, ...]:
    """The rhythms of a record, from the first that is noted to the record's end.

    Args:
        folder: Holds ``<name>.atr`` in WFDB format: a rhythm is a note such as ``(AFIB``.
        name: The record's.
        samples: Length of the record.

    Returns:
        episodes in order of time, neighbours unlike; none where no rhythm is noted.

    Raises:
        UserError: wfdb cannot read the file.
        ToolError: wfdb is not installed.
    """
    wfdb = import_wfdb()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            read = wfdb.rdann(str(folder / name), "atr")
    except Exception as error:  # its parsers raise anything from KeyError to struct.error
        raise UserError(
            f"{folder / name}.atr: wfdb cannot read the annotations ({type(error).__name__}); "
            "expected WFDB format"
        ) from None
    noted = zip(read.sample.tolist(), read.aux_note, strict=True)
    return episodes_of([(at, note) for at, note in noted], samples)


def episodes_of(notes: list[tuple[int, str]], samples: int) -> tuple[Episode, ...]:
    """Notes by sample, others than of rhythms among them, as `read_rhythms` returns them."""
    starts: list[tuple[int, str]] = []
    for at, note in notes:
        name = note.strip("\0 ")
        if name.startswith("(") and at < samples and (not starts or starts[-1][1] != name[1:]):
            starts.append((at, name[1:]))
    ends = [at for at, _ in [*starts, (samples, "")][1:]]
    return tuple(
        Episode(at, end, name) for (at, name), end in zip(starts, ends, strict=True) if end > at
    )
