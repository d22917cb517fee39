"""One test record with all that was said of its beats: what figures and pictures are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.recipes.ecg.beat_matching import Matching
from midge.recipes.ecg.records import Record
from midge.recipes.ecg.uplink import Traffic

Labels = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Judged:
    """A record after the evaluation: k detected beats.

    Attributes:
        record: With the reference.
        positions: int64 [k], sample of each detected beat.
        matching: Which reference beat each stands for.
        labels: <U1 [k] by system: the class that was said, of N, S and V.
        scores: float32 [k, 3] by system: N, S and V.
        flagged: bool [k], what the device called suspicious.
        sent: int64 [m, 2], first sample and end of each segment that went to the cloud.
        traffic: What that took.
        at_reference: <U1 by system: what was said at each of the reference's beats.
    """

    record: Record
    positions: npt.NDArray[np.int64]
    matching: Matching
    labels: Mapping[str, Labels]
    scores: Mapping[str, npt.NDArray[np.float32]]
    flagged: npt.NDArray[np.bool_]
    sent: npt.NDArray[np.int64]
    traffic: Traffic
    at_reference: Mapping[str, Labels]

    @property
    def truth(self) -> Labels:
        """The cardiologists' class of each detected beat, ``O`` where they saw none, <U1 [k]."""
        return self.matching.carried(self.record.classes)
