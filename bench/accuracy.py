"""What int8 costs six networks of PyTorch, over five seeds, on real data, as the device computes.

::

    python -m bench.accuracy [--only NAME] [--way WAY] [--seeds N] [--again] [--output FOLDER]

Each seed trains a network from scratch on another fold, quantises it after training, trains it on
with quantisation in the loop and its float form as the teacher, and runs both on the emulated
Cortex-M4, sample by sample. Interrupted, it goes on where it was. The summary goes to
``bench/results/accuracy.md`` and ``.json``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

import midge
from bench.accuracy_data import FOLDS, Float32Array, Fold
from bench.accuracy_teacher import likeness_to
from bench.accuracy_training import accuracy, fit, fold_for, logits, trained
from bench.markdown import RESULTS, table, write_results
from bench.progress import Progress
from midge import MidgeError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.torch_networks import NETWORKS

TARGET = "cortex-m4"
AFTER, DURING = WAYS = ("after training", "in training")
CALIBRATION = 256
AWARE_EPOCHS, LEAST_AWARE_SAMPLES = 5, 40_000
"""Passes over the data, and more where these are but a few steps: a fold has 1,400 digits."""
AWARE_RATE = 3e-4
MOST_TESTED = 1500
"""Samples of a fold that are tested on: the emulator runs each."""
STUDENT_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Two-sided 95 % quantile of Student's t for a mean of so many differences."""


@dataclass(frozen=True)
class Trial:
    """One network, one seed, one way to int8.

    Attributes:
        network: Its name.
        seed: Of training, and the fold's number.
        way: One of `WAYS`.
        tested: Samples.
        float_accuracy: Percent, of the float module that was trained.
        accuracy: Percent, of the emulated device.
        agreement: Percent of samples on which both have the same largest output.
        cosine: Of the outputs' vectors, mean.
        unequal: Samples on which the device differs from the interpreter in any bit.
        instructions: Of one inference on the device.
        flash_bytes: Of the program.
        ram_bytes: Of the program.
    """

    network: str
    seed: int
    way: str
    tested: int
    float_accuracy: float
    accuracy: float
    agreement: float
    cosine: float
    unequal: int
    instructions: int
    flash_bytes: int
    ram_bytes: int


def trial(
    name: str, seed: int, way: str, package: midge.Package, right: Float32Array, fold: Fold
) -> Trial:
    """Hold a quantised network on the emulated device against the float module."""
    result = package.compile(TARGET).run()
    interpreted = np.asarray(package.run(fold.x_test))
    device = np.asarray(package.run_on_device(fold.x_test, TARGET))
    unequal = int(np.any(device != interpreted, axis=1).sum())
    alike = device.argmax(axis=1) == right.argmax(axis=1)
    norms = np.linalg.norm(device, axis=1) * np.linalg.norm(right, axis=1)
    cosine = np.sum(device * right, axis=1) / np.maximum(norms, 1e-12)
    return Trial(
        network=name,
        seed=seed,
        way=way,
        tested=len(fold.x_test),
        float_accuracy=accuracy(right, fold.y_test),
        accuracy=accuracy(device.astype(np.float32), fold.y_test),
        agreement=float(100 * alike.mean()),
        cosine=float(cosine.mean()),
        unequal=unequal,
        instructions=result.instructions,
        flash_bytes=result.flash_bytes.total,
        ram_bytes=result.ram_bytes.total,
    )


def run_seed(name: str, seed: int, way: str) -> Trial:
    """Train a network, or take the one that was trained before, and take it to int8."""
    whole = fold_for(name, seed)
    chosen = np.random.default_rng(seed).permutation(len(whole.x_test))[:MOST_TESTED]
    fold = Fold(whole.x_train, whole.y_train, whole.x_test[chosen], whole.y_test[chosen])
    module = trained(name, fold, seed)
    right = logits(module, fold.x_test)
    order = np.random.default_rng(seed).permutation(len(fold.x_train))[:CALIBRATION]
    calibration = fold.x_train[order]
    if way == AFTER:
        package = midge.quantize(module, calibration, explained=False)
    else:
        aware = midge.quantization_aware(module, calibration)
        fit(
            aware.module,
            fold,
            seed,
            epochs=max(AWARE_EPOCHS, -(-LEAST_AWARE_SAMPLES // len(fold.x_train))),
            rate=AWARE_RATE,
            loss_of=likeness_to(module),
        )
        package = aware.convert(explained=False)
    return trial(name, seed, way, package, right, fold)


@dataclass(frozen=True)
class Difference:
    """By how much int8 is worse than float, paired by seed.

    Attributes:
        mean: Points of accuracy; negative where int8 is better.
        low: Lower end of the 95 % interval of the mean.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


def difference(trials: Sequence[Trial]) -> Difference:
    """The mean paired difference, with Student's interval."""
    losses = np.array([t.float_accuracy - t.accuracy for t in trials])
    half = 0.0
    if len(losses) > 1:
        half = STUDENT_95[len(losses)] * float(losses.std(ddof=1)) / math.sqrt(len(losses))
    return Difference(
        float(losses.mean()), float(losses.mean()) - half, float(losses.mean()) + half
    )


def summary(trials: Sequence[Trial]) -> str:
    """The trials as Markdown."""
    rows = []
    for name in NETWORKS:
        for way in WAYS:
            mine = [t for t in trials if (t.network, t.way) == (name, way)]
            if not mine:
                continue
            lost = difference(mine)
            rows.append(
                (
                    *(name, way, len(mine), sum(t.tested for t in mine)),
                    f"{np.mean([t.float_accuracy for t in mine]):.2f}",
                    f"{np.mean([t.accuracy for t in mine]):.2f}",
                    f"{lost.mean:+.2f}",
                    f"{lost.low:+.2f} to {lost.high:+.2f}" if len(mine) > 1 else None,
                    f"{np.mean([t.agreement for t in mine]):.2f}",
                    f"{np.mean([t.cosine for t in mine]):.5f}",
                    sum(t.unequal for t in mine),
                    *(mine[0].instructions, mine[0].flash_bytes, mine[0].ram_bytes),
                )
            )
    header = ("network", "quantised", "seeds", "samples", "float, %", "int8 on the device, %")
    header += ("lost, points", "95 % interval", "same answer, %", "cosine", "unequal")
    header += ("instructions", "flash, bytes", "RAM, bytes")
    versions = ", ".join(f"{name} {number}" for name, number in _versions().items())
    return "\n".join(
        [
            "# Accuracy",
            "",
            f"Written by `python -m bench.accuracy`. {versions}.",
            "",
            "Images are scikit-learn's digits, heartbeats those of MIT-BIH DS1, folds by patient. "
            f"Each seed trains on another of {FOLDS} folds. `lost` is float less int8, paired by "
            "seed; its interval is Student's. `unequal` counts the samples on which the emulated "
            f"{TARGET} differs from the interpreter in any bit. Instructions, flash and RAM are of "
            "the first seed.",
            "",
            table(header, rows, left=2),
        ]
    )


def _versions() -> dict[str, str]:
    packages = ("torch", "torchao", "unicorn", "ziglang")
    return {"Midge": midge.__version__} | {name: version(name) for name in packages}


def _known(path: Path) -> list[Trial]:
    if not path.is_file():
        return []
    return [Trial(**t) for t in json.loads(path.read_text("utf-8"))["trials"]]


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, and write the table; 1 when a device differs from its interpreter."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.accuracy", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--only", choices=tuple(NETWORKS), help="one network")
    parser.add_argument("--way", choices=WAYS, help="one way to int8")
    parser.add_argument("--seeds", type=int, default=FOLDS, metavar="N")
    parser.add_argument("--again", action="store_true", help="forget what an earlier run left")
    parser.add_argument("--output", default=RESULTS, metavar="FOLDER")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    path = Path(options.output) / "accuracy.json"
    trials = [] if options.again else _known(path)
    names = [options.only] if options.only else list(NETWORKS)
    ways = [options.way] if options.way else WAYS
    done = {(t.seed, t.network, t.way) for t in trials}
    wanted = [(s, n, w) for s in range(options.seeds) for n in names for w in ways]
    missing = [row for row in wanted if row not in done]
    progress = Progress("accuracy", len(missing))
    try:
        for seed, name, way in missing:
            trials.append(run_seed(name, seed, way))
            content: Mapping[str, Any] = {
                "made_with": _versions(),
                "trials": [asdict(t) for t in trials],
            }
            write_results(options.output, "accuracy", summary(trials), content)
            progress.advance(1, f"{name}, seed {seed}, {way}")
    except MidgeError as error:
        print(f"bench.accuracy: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on")
        return 130
    finally:
        progress.close()
    return 1 if any(t.unequal for t in trials) else 0


if __name__ == "__main__":
    sys.exit(main())
