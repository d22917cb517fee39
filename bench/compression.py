"""What pruning and int4 weights save on a MobileNetV2, and what they cost in accuracy.

::

    python -m bench.compression [--seeds N] [--output FOLDER]

The network of `bench.accuracy` as int8; with half of its channels pruned and trained again, the
whole network being its teacher; with int4 weights in its 1x1 layers, quantised after training and
in training; and both. Each is compiled
for a virtual nRF52840 and runs there on every test sample. The summary goes to
``bench/results/compression.md`` and ``.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version

import numpy as np
import torch
from torch import nn

import midge
from bench.accuracy_data import Fold
from bench.accuracy_teacher import likeness_to
from bench.accuracy_training import accuracy, fit, fold_for, logits, trained
from bench.markdown import RESULTS, table, write_results
from bench.progress import Progress
from midge import MidgeError

NETWORK = "mobilenet_v2"
TARGET = "nrf52840"
CALIBRATION = 256
RETRAINED_EPOCHS, RETRAINED_RATE = 20, 2e-3
AWARE_EPOCHS, AWARE_RATE = 8, 3e-4


@dataclass(frozen=True)
class Row:
    """One form of the network, one seed.

    Attributes:
        form: What was done to it.
        seed: Of training, and the fold's number.
        parameters: Of the module.
        float_accuracy: Percent, of the module.
        accuracy: Percent, of the emulated device.
        unequal: Samples on which the device differs from the interpreter.
        macs: Of one inference.
        flash_bytes: Of the program, code and constants.
        weights_bytes: The constants alone.
        ram_bytes: Of the program.
        cycles: Modelled, of one inference.
    """

    form: str
    seed: int
    parameters: int
    float_accuracy: float
    accuracy: float
    unequal: int
    macs: int
    flash_bytes: int
    weights_bytes: int
    ram_bytes: int
    cycles: int


def packages(
    module: nn.Module, calibration: np.ndarray, fold: Fold, seed: int
) -> Iterator[tuple[str, midge.Package]]:
    """A module as int8 and with int4 weights, after and in training."""
    yield "int8", midge.quantize(module, calibration, explained=False)
    yield "int4 in 1x1 layers", midge.quantize(module, calibration, explained=False, weights="int4")
    aware = midge.quantization_aware(module, calibration, weights="int4")
    likeness = likeness_to(module)
    fit(aware.module, fold, seed, epochs=AWARE_EPOCHS, rate=AWARE_RATE, loss_of=likeness)
    yield "int4 in 1x1 layers, in training", aware.convert(explained=False)


def rows_of(seed: int) -> Iterator[Row]:
    """All forms of one seed's network."""
    fold = fold_for(NETWORK, seed)
    whole = trained(NETWORK, fold, seed)
    order = np.random.default_rng(seed).permutation(len(fold.x_train))[:CALIBRATION]
    calibration = fold.x_train[order]
    small = midge.prune(whole, (torch.from_numpy(fold.x_train[:1]),), fraction=0.5)
    likeness = likeness_to(whole)
    fit(small.train(), fold, seed, epochs=RETRAINED_EPOCHS, rate=RETRAINED_RATE, loss_of=likeness)
    small.eval()
    for title, module in (("whole", whole), ("half the channels", small)):
        right = logits(module, fold.x_test)
        for way, package in packages(module, calibration, fold, seed):
            artifact = package.compile(TARGET)
            result = artifact.run()
            device = np.asarray(package.run_on_device(fold.x_test, TARGET))
            interpreted = np.asarray(package.run(fold.x_test))
            yield Row(
                form=f"{title}, {way}",
                seed=seed,
                parameters=sum(p.numel() for p in module.parameters()),
                float_accuracy=accuracy(right, fold.y_test),
                accuracy=accuracy(device.astype(np.float32), fold.y_test),
                unequal=int(np.any(device != interpreted, axis=1).sum()),
                macs=result.macs,
                flash_bytes=result.flash_bytes.total,
                weights_bytes=result.flash_bytes.weights,
                ram_bytes=result.ram_bytes.total,
                cycles=result.cycles_modelled or result.cycles or 0,
            )


def summary(rows: list[Row]) -> str:
    """The rows as Markdown, means over seeds; sizes and cycles of the first seed."""
    body = []
    for form in dict.fromkeys(row.form for row in rows):
        mine = [row for row in rows if row.form == form]
        first = mine[0]
        body.append(
            (
                *(form, len(mine), first.parameters),
                f"{np.mean([r.float_accuracy for r in mine]):.2f}",
                f"{np.mean([r.accuracy for r in mine]):.2f}",
                sum(r.unequal for r in mine),
                *(first.macs, first.weights_bytes, first.flash_bytes, first.ram_bytes),
                first.cycles,
            )
        )
    header = ("network", "seeds", "parameters", "float, %", "on the device, %", "unequal", "MACs")
    header += ("constants, bytes", "flash, bytes", "RAM, bytes", "cycles")
    versions = ", ".join(f"{name} {number}" for name, number in _versions().items())
    return "\n".join(
        [
            "# Compression",
            "",
            f"Written by `python -m bench.compression`, which says what was done. {versions}.",
            "",
            "A MobileNetV2 of width 0.25 on scikit-learn's digits, on a virtual nRF52840, a "
            "Cortex-M4. Accuracy is the mean over seeds, each with another fold to test on; sizes "
            "and cycles are of the first seed. `unequal` counts samples on which the device "
            "differs from the interpreter in any bit.",
            "",
            table(header, body),
        ]
    )


def _versions() -> dict[str, str]:
    return {"Midge": midge.__version__} | {p: version(p) for p in ("torch", "unicorn", "ziglang")}


def main(arguments: list[str] | None = None) -> int:
    """Write the table; 1 when a device differs from its interpreter."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.compression", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument("--output", default=RESULTS, metavar="FOLDER")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows: list[Row] = []
    progress = Progress("compression", options.seeds * 6)
    try:
        for seed in range(options.seeds):
            for row in rows_of(seed):
                rows.append(row)
                progress.advance(1, f"seed {seed}, {row.form}")
            content = {"made_with": _versions(), "rows": [asdict(r) for r in rows]}
            write_results(options.output, "compression", summary(rows), content)
    except MidgeError as error:
        print(f"bench.compression: {error}", file=sys.stderr)
        return error.exit_code
    finally:
        progress.close()
    return 1 if any(row.unequal for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
