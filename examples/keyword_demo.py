"""Compile the keyword network, run it on a virtual Cortex-M4 board, print the report.

The network and its inputs are those of MLPerf Tiny where MIDGE_DATA names a folder that has them;
otherwise a network of the same shape with random weights is made on the spot, and says so.

    python examples/keyword_demo.py build/demo
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from midge.cli import main
from midge.synthetic import keyword_model


def prepare(folder: Path) -> tuple[Path, Path]:
    """The model's path, and that of a batch of inputs."""
    data = os.environ.get("MIDGE_DATA")
    inputs = folder / "inputs.npy"
    if data:
        models = Path(data) / "models" / "mlperf-tiny"
        model = models / "kws01_dscnn_int8.tflite"
        if model.exists():
            golden = np.load(models / "golden" / "kws01_dscnn_int8.npz")
            np.save(inputs, golden["inputs"][:5])
            print(f"keyword model of MLPerf Tiny, real inputs ({model.name})")
            return model, inputs
    model = folder / "keyword.tflite"
    model.write_bytes(keyword_model().model_bytes)
    np.save(inputs, np.random.default_rng(0).integers(-128, 128, (5, 49, 10, 1)).astype(np.int8))
    print(
        "keyword model made on the spot: random weights, random inputs (MIDGE_DATA names no "
        "folder with it)"
    )
    return model, inputs


def run(folder: Path) -> int:
    """Compile, run on the virtual board, hold every layer against the interpreter."""
    folder.mkdir(parents=True, exist_ok=True)
    model, inputs = prepare(folder)
    common = [str(model), "--target", "nrf52840", "--name", "kws"]
    return (
        main(["compile", *common, "--out", str(folder)])
        or main(["run", *common, "--input", str(inputs), "--compare-layers"])
        or print(f"The same as a page, with a picture of the memory: {folder / 'report.html'}")
        or 0
    )


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo")))
