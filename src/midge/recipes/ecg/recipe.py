"""The recipe: ten stages from recordings to a report."""

from __future__ import annotations

from midge.recipes.ecg.stage_data import detect_beats, fingerprint, gather_records
from midge.recipes.ecg.stage_device import compile_boards, emulate_boards
from midge.recipes.ecg.stage_evaluate import evaluate
from midge.recipes.ecg.stage_heart_rate import annotations_fingerprint, follow_heart_rate
from midge.recipes.ecg.stage_learning import (
    learn_cloud_network,
    learn_device_network,
    quantise,
)
from midge.recipes.ecg.stage_report import write_report
from midge.recipes.recipe import Recipe, Stage

_HERE = "recipes/ecg/"
_RECORDS = tuple(
    f"{_HERE}{name}.py"
    for name in ("records", "database", "synthetic", "beat_matching", "stage_data")
)
_CHAIN = ("signals/*.py", f"{_HERE}detector.py", f"{_HERE}networks.py")
_LEARNING = tuple(
    f"{_HERE}{name}.py"
    for name in (
        *("stage_learning", "networks", "beats", "made_up_rhythms", "training", "thresholds"),
        *("learning", "cloud", "cascade", "uplink", "application_files"),
    )
)
_DEVICE = ("device/**/*", "driver/*.py", "c_emitter/**/*.py", f"{_HERE}stage_device.py")
_JUDGING = tuple(
    f"{_HERE}{name}.py" for name in ("stage_evaluate", "scores", "judged", "report_build")
)
_HEART = ("adapt/*.py", *(f"{_HERE}{name}.py" for name in ("rhythms", "heart_rate")))

RECIPE = Recipe(
    name="ecg",
    version="2",
    report="report/report.html",
    stages=(
        Stage(
            *("records", "read the recordings", gather_records),
            fingerprint=fingerprint,
            settings=("quick",),
            sources=_RECORDS,
            weight=4,
        ),
        Stage(
            *("detect", "find the beats", detect_beats),
            needs=("records",),
            sources=_CHAIN + _RECORDS,
            weight=12,
        ),
        Stage(
            *("cloud", "learn the large network", learn_cloud_network),
            needs=("records", "detect"),
            settings=("seed", "quick"),
            sources=_LEARNING,
            weight=75,
        ),
        Stage(
            *("device", "learn the small network", learn_device_network),
            needs=("records", "detect"),
            settings=("seed", "quick"),
            sources=_LEARNING,
            weight=25,
        ),
        Stage(
            *("quantise", "bring it to integers", quantise),
            needs=("records", "detect", "cloud", "device"),
            settings=("seed", "quick"),
            sources=_LEARNING,
            weight=4,
        ),
        Stage(
            *("compile", "compile chain and network", compile_boards),
            needs=("quantise",),
            settings=("target", "quick"),
            sources=_CHAIN + _DEVICE,
            weight=5,
        ),
        Stage(
            *("emulate", "run recordings on the virtual boards", emulate_boards),
            needs=("records", "quantise", "compile"),
            settings=("target", "quick", "records_on_device"),
            sources=_CHAIN + _DEVICE + ("virtual_mcu/**/*",),
            weight=75,
        ),
        Stage(
            *("evaluate", "evaluate on the test recordings", evaluate),
            needs=("records", "detect", "cloud", "device", "quantise"),
            settings=("quick",),
            sources=_CHAIN + _LEARNING + _JUDGING,
            weight=45,
        ),
        Stage(
            *("heart", "follow the heart rate", follow_heart_rate),
            needs=("records", "detect"),
            fingerprint=annotations_fingerprint,
            settings=("target",),
            sources=_RECORDS
            + _HEART
            + (f"{_HERE}stage_heart_rate.py", "device/**/*", "driver/*.py", "virtual_mcu/**/*"),
            weight=8,
        ),
        Stage(
            *("report", "write the report", write_report),
            needs=("records", "detect", "quantise", "emulate", "evaluate", "heart"),
            settings=("seed", "target", "quick"),
            sources=(f"{_HERE}*.py", f"{_HERE}*.html", "report/*.html", "report/*.py"),
            weight=2,
        ),
    ),
)
