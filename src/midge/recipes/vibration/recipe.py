"""The recipe: five stages from recordings of bearings to a report."""

from __future__ import annotations

from midge.recipes.recipe import Recipe, Stage
from midge.recipes.vibration.stages import (
    compile_network,
    evaluate,
    fingerprint,
    gather_windows,
    learn,
    write_report,
)

_DATA = ("recipes/vibration/recordings.py", "recipes/vibration/front_end.py", "signals/*.py")
_NETWORK = ("recipes/vibration/network.py",)
_STAGES = ("recipes/vibration/stages.py",)

RECIPE = Recipe(
    name="vibration",
    version="1",
    report="report/report.html",
    stages=(
        Stage(
            *("windows", "read recordings, cut windows", gather_windows),
            fingerprint=fingerprint,
            settings=("seed", "quick"),
            sources=_DATA + _STAGES,
            weight=3,
        ),
        Stage(
            *("learn", "learn the network, bring it to int8", learn),
            needs=("windows",),
            settings=("seed", "quick"),
            sources=_NETWORK + _STAGES,
            weight=20,
        ),
        Stage(
            *("compile", "compile, run on the virtual board", compile_network),
            needs=("windows", "learn"),
            settings=("target",),
            sources=_STAGES,
            weight=4,
        ),
        Stage(
            *("evaluate", "evaluate on the test recordings", evaluate),
            needs=("windows", "learn"),
            sources=_NETWORK + _STAGES,
            weight=3,
        ),
        Stage(
            *("report", "write the report", write_report),
            needs=("windows", "learn", "compile", "evaluate"),
            settings=("seed", "target", "quick"),
            sources=("recipes/vibration/*.py", "recipes/vibration/*.html", "report/*.html"),
            weight=0.2,
        ),
    ),
)
