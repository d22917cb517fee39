"""Finds the models and recordings that are too big for the repository.

They lie in the folder that the environment variable MIDGE_DATA names; without it, in ``shared``
beside the repository. Tests that need them are skipped when they are not there.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("MIDGE_DATA", REPOSITORY.parent / "shared"))
MITDB = DATA / "data" / "mitdb"
MLPERF_TINY = DATA / "models" / "mlperf-tiny"

MLPERF_TINY_MODELS = (
    "ad01_fcae_int8",
    "ic01_resnet8_int8",
    "kws01_dscnn_int8",
    "vww01_mnv1_025_int8",
)

needs_mlperf_tiny = pytest.mark.skipif(
    not MLPERF_TINY.is_dir(),
    reason=f"no MLPerf Tiny models at {MLPERF_TINY}: set MIDGE_DATA to the data folder",
)
needs_mitdb = pytest.mark.skipif(
    not (MITDB / "101.dat").is_file(),
    reason=f"no MIT-BIH records at {MITDB}: set MIDGE_DATA to the data folder",
)


def mlperf_tiny_model(name: str) -> bytes:
    """Return the .tflite file of one of `MLPERF_TINY_MODELS`."""
    return (MLPERF_TINY / f"{name}.tflite").read_bytes()


def mlperf_tiny_golden(name: str) -> dict[str, NDArray[np.generic]]:
    """Return a model's golden file: ``inputs``, ``outputs``, ``random_inputs``, ``random_outputs``.

    Each is int8 with one sample per entry of axis 0, without the model's own batch axis of 1.
    """
    with np.load(MLPERF_TINY / "golden" / f"{name}.npz") as archive:
        return dict(archive)
