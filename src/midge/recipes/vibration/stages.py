"""What each stage of the vibration recipe does."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

import midge
from midge.errors import InternalError
from midge.graph import interpret
from midge.recipes.digests import digest_of_file, digest_of_json
from midge.recipes.recipe import Settings
from midge.recipes.stage_context import StageContext
from midge.recipes.vibration.front_end import MEAN_CODE, Windows, windows_of
from midge.recipes.vibration.network import as_input, scores_of, train, with_weights
from midge.recipes.vibration.recordings import CLASSES, Recordings, find_folder, open_recordings
from midge.recipes.vibration.report import BearingReport, render_html, render_text
from midge.version import VERSION
from midge.virtual_mcu import target

STEP = 32
"""Envelope values from one window to the next, for training and for the test alike."""
EPOCHS, QUICK_EPOCHS = 6, 2
QUICK_WINDOWS = 12
"""Of each recording, where a run is quick."""
CALIBRATION = 256


@cache
def _open(data: Path | None, seed: int) -> Recordings:
    return open_recordings(data, seed)


def fingerprint(settings: Settings) -> str:
    """The digest of the files, or that signals are made up."""
    folder = find_folder(settings.data)
    if folder is None:
        return "synthetic"
    return digest_of_json({p.name: digest_of_file(p) for p in sorted(folder.glob("*.mat"))})


def gather_windows(context: StageContext) -> None:
    """Leaves ``train.npz`` and ``test.npz``: windows, labels; and ``recordings.json``."""
    settings = context.settings
    recordings = _open(settings.data, settings.seed)
    context.progress.say(recordings.notice)
    for half, test in (("train", False), ("test", True)):
        windows: list[Windows] = []
        labels: list[npt.NDArray[np.int64]] = []
        for part in recordings.parts:
            if part.test == test:
                cut = windows_of(part.samples, STEP)
                cut = cut[:QUICK_WINDOWS] if settings.quick else cut
                windows.append(cut)
                labels.append(np.full(len(cut), part.label))
        context.save_arrays(
            f"{half}.npz",
            {"windows": np.concatenate(windows), "labels": np.concatenate(labels)},
        )
    context.save_json(
        "recordings.json",
        {
            "notice": recordings.notice,
            "synthetic": recordings.synthetic,
            "train": [part.name for part in recordings.parts if not part.test],
            "test": [part.name for part in recordings.parts if part.test],
        },
    )


def learn(context: StageContext) -> None:
    """Leaves ``network.midge``, and the float network's weights as ``weights.npz``."""
    settings = context.settings
    data = context.load_arrays("windows", "train.npz")
    network = train(
        data["windows"],
        data["labels"],
        seed=settings.seed,
        epochs=QUICK_EPOCHS if settings.quick else EPOCHS,
        progress=context.progress.at,
    )
    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    context.save_arrays("weights.npz", state)
    random = np.random.default_rng(settings.seed)
    chosen = random.permutation(len(data["windows"]))[:CALIBRATION]
    package = midge.quantize(
        network,
        as_input(data["windows"][chosen]),
        explained=False,
        input_codes={"x": (1 / MEAN_CODE, 0)},
    )
    with context.whole("network.midge") as path:
        package.save(path)


def compile_network(context: StageContext) -> None:
    """Leaves the C in ``c/`` and what a decision takes on the board as ``costs.json``."""
    graph = midge.load(str(context.input("learn", "network.midge")), "bearing")
    artifact = midge.compile(graph, target=context.settings.target)
    for name, text in artifact.emitted.files.items():
        context.save_text(f"c/{name}", text)
    result = artifact.run()
    context.save_json("costs.json", result.costs())


def evaluate(context: StageContext) -> None:
    """Leaves ``confusion.json``: of float32 and int8, rows the truth, columns what was said."""
    data = context.load_arrays("windows", "test.npz")
    weights = context.load_arrays("learn", "weights.npz")
    graph = midge.load(str(context.input("learn", "network.midge")))
    said = {
        "float32": scores_of(with_weights(weights), data["windows"]).argmax(axis=1),
        "int8": _integer_answers(graph, data["windows"], context),
    }
    context.save_json(
        "confusion.json", {name: _confusion(data["labels"], c) for name, c in said.items()}
    )


def _integer_answers(
    graph: midge.Graph, windows: Windows, context: StageContext
) -> npt.NDArray[np.int64]:
    """The classes that the integer network says, as the device does, int64 [k]."""
    taken = graph.tensors[graph.inputs[0]]
    if (taken.scale, taken.zero_point) != (1 / MEAN_CODE, 0):
        raise InternalError(f"the network's input has scale {taken.scale}, not 1/{MEAN_CODE}")
    answers = []
    for number, window in enumerate(windows):
        context.progress.at(number, len(windows), f"window {number}")
        values = interpret(graph, {taken.name: window.reshape(taken.shape)})
        answers.append(values[graph.outputs[0]].argmax())
    return np.asarray(answers, np.int64)


def _confusion(truth: npt.NDArray[np.int64], said: npt.NDArray[np.int64]) -> list[list[int]]:
    counts = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    np.add.at(counts, (truth, said), 1)
    return [[int(n) for n in row] for row in counts]


def write_report(context: StageContext) -> None:
    """Leaves ``report.json``, ``report.html`` and ``report.txt``."""
    settings = context.settings
    recordings = context.load_json("windows", "recordings.json")
    costs = context.load_json("compile", "costs.json")
    confusion = context.load_json("evaluate", "confusion.json")
    report = BearingReport(
        midge=VERSION,
        version=context.version,
        notice=recordings["notice"],
        synthetic=recordings["synthetic"],
        quick=settings.quick,
        seed=settings.seed,
        board=target(settings.target).title,
        train=tuple(recordings["train"]),
        test=tuple(recordings["test"]),
        classes=CLASSES,
        confusion={name: tuple(map(tuple, rows)) for name, rows in confusion.items()},
        model_digest=digest_of_file(context.input("learn", "network.midge")),
        flash_bytes=costs["flash_bytes"]["total"],
        ram_bytes=costs["ram_bytes"]["total"],
        instructions=costs["instructions"],
        latency_ms=costs["latency_ms"][1] if costs["latency_ms"] else None,
        energy_uj=costs["energy_uj"][1] if costs["energy_uj"] else None,
    )
    context.save_json("report.json", report.to_json())
    context.save_text("report.html", render_html(report))
    context.save_text("report.txt", render_text(report))
