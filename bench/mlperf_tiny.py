"""The four MLPerf Tiny int8 networks: where they lie, and the answers that are known for them.

They are too big for the repository: the environment variable MIDGE_DATA names the folder that holds
``models/mlperf-tiny``; without it, ``shared`` beside the repository.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import midge
from midge import UserError
from midge.graph import Graph

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("MIDGE_DATA", REPOSITORY.parent / "shared"))
FOLDER = DATA / "models" / "mlperf-tiny"

CORES = (
    "cortex-m0plus",
    "cortex-m3",
    "cortex-m4",
    "cortex-m7",
    "cortex-m33",
    "cortex-m55",
    "rv32imc",
)
"""The cores that every network runs on."""

Int8Array = NDArray[np.int8]


@dataclass(frozen=True)
class Golden:
    """Inputs with the outputs of TFLite Micro's reference kernels.

    Attributes:
        inputs: int8 [n, ...], the real samples first.
        outputs: int8 [n, ...].
        real: How many of them are real; the others are seeded random bytes.
        digest: SHA-256 of the file, hex.
    """

    inputs: Int8Array
    outputs: Int8Array
    real: int
    digest: str

    def first(self, real: int, random: int) -> Golden:
        """This many real samples and this many random ones, from the beginning of each."""
        real = min(real, self.real)
        picked = [*range(real), *range(self.real, min(self.real + random, len(self.inputs)))]
        return Golden(self.inputs[picked], self.outputs[picked], real, self.digest)


@dataclass(frozen=True)
class Network:
    """One of the four.

    Attributes:
        name: MLPerf Tiny's short name; also the prefix of the emitted C.
        file: Name of the .tflite file without its ending.
        title: What it is.
    """

    name: str
    file: str
    title: str

    @property
    def path(self) -> Path:
        """The .tflite file.

        Raises:
            UserError: it is not there.
        """
        return _existing(FOLDER / f"{self.file}.tflite")

    def load(self) -> Graph:
        """The network, imported.

        Raises:
            UserError: the file is not there, or damaged.
        """
        return midge.load(self.path, self.name)

    def golden(self) -> Golden:
        """All its samples.

        Raises:
            UserError: the file is not there.
        """
        path = _existing(FOLDER / "golden" / f"{self.file}.npz")
        with np.load(path) as archive:
            inputs = [archive["inputs"], archive["random_inputs"]]
            outputs = [archive["outputs"], archive["random_outputs"]]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Golden(np.concatenate(inputs), np.concatenate(outputs), len(inputs[0]), digest)


NETWORKS = {
    network.name: network
    for network in (
        Network("ad01", "ad01_fcae_int8", "fully connected autoencoder"),
        Network("kws01", "kws01_dscnn_int8", "DS-CNN"),
        Network("vww01", "vww01_mnv1_025_int8", "MobileNetV1 0.25"),
        Network("ic01", "ic01_resnet8_int8", "ResNet-8"),
    )
}
"""By short name."""


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UserError(
            f"{path}: not found; expected one of MLPerf Tiny's models and its golden samples. Set "
            "MIDGE_DATA to the folder that holds models/mlperf-tiny"
        )
    return path
