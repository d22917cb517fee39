"""Running a recipe: one stage after the other, each once, from wherever the last run stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from midge.errors import InternalError, UserError
from midge.recipes.digests import (
    digest_of_json,
    digest_of_outcome,
    digest_of_sources,
    digests_of_folder,
)
from midge.recipes.progress import Progress
from midge.recipes.recipe import Recipe, Settings, Stage
from midge.recipes.stage_context import StageContext
from midge.version import VERSION

RUN_FILE = "run.json"
"""In the run's folder: says that the folder is a run's, and of which recipe."""
STARTED_FILE = ".started.json"
DONE_FILE = ".done.json"
"""In a stage's folder: what it depended on; and, written last, the digests of what it left."""


def run_recipe(recipe: Recipe, settings: Settings, folder: Path) -> Path:
    """Run all stages that are not done yet.

    Args:
        recipe: What to run.
        settings: A user's choices.
        folder: The run's, made if need be. What an earlier run left there is used where
            everything that it depends on is the same; anything may have killed that run.

    Returns:
        the path of the report.

    Raises:
        UserError: the folder is somebody else's or cannot be written, or a stage's input is at
            fault.
    """
    _check_order(recipe)
    _claim(recipe, folder)
    progress = Progress([stage.weight for stage in recipe.stages])
    outcomes: dict[str, str] = {}
    for number, stage in enumerate(recipe.stages):
        depends = _depends(recipe, stage, settings, outcomes)
        place = folder / stage.name
        outcome = _outcome(place, depends)
        if outcome is None:
            progress.begin(number, stage.title)
            _prepare(place, depends)
            inputs = {name: folder / name for name in stage.needs}
            context = StageContext(
                recipe=recipe.name,
                version=recipe.version,
                stage=stage.name,
                settings=settings,
                folder=place,
                run_folder=folder,
                inputs=inputs,
                progress=progress,
            )
            stage.run(context)
            outcome = _finish(place, depends)
            progress.end()
        else:
            progress.skip(number, stage.title)
        outcomes[stage.name] = outcome
    return folder / recipe.report


def _check_order(recipe: Recipe) -> None:
    seen: set[str] = set()
    fields = asdict(Settings())
    for stage in recipe.stages:
        missing = [name for name in stage.needs if name not in seen]
        unknown = [name for name in stage.settings if name not in fields]
        if missing or unknown or stage.name in seen:
            raise InternalError(
                f"recipe {recipe.name!r}: stage {stage.name!r} stands twice, needs a stage that "
                f"is not before it ({missing}), or a setting that there is not ({unknown})"
            )
        seen.add(stage.name)


def _claim(recipe: Recipe, folder: Path) -> None:
    """Make the folder this recipe's."""
    path = folder / RUN_FILE
    try:
        if folder.is_dir() and any(folder.iterdir()):
            found = _read_json(path).get("recipe")
            if found != recipe.name:
                what = f"holds a run of recipe {found!r}" if found else "holds other files"
                raise UserError(
                    f"{folder}: {what}, nothing was written; expected an empty folder, or one in "
                    f"which recipe {recipe.name!r} ran before. Choose another --out"
                )
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(path, {"midge": VERSION, "recipe": recipe.name})
    except OSError as error:
        raise UserError(f"{folder}: cannot be used as --out: {error.strerror}") from None


def _depends(
    recipe: Recipe, stage: Stage, settings: Settings, outcomes: Mapping[str, str]
) -> dict[str, Any]:
    """Everything that decides what the stage leaves; no path and no clock is part of it."""
    values = asdict(settings)
    return {
        "recipe": recipe.name,
        "version": recipe.version,
        "stage": stage.name,
        "settings": {name: values[name] for name in stage.settings},
        "sources": digest_of_sources(stage.sources),
        "fingerprint": stage.fingerprint(settings) if stage.fingerprint else "",
        "inputs": {name: outcomes[name] for name in stage.needs},
    }


def _outcome(place: Path, depends: Mapping[str, Any]) -> str | None:
    """The digest of what the stage left, where it is done and whole; else None."""
    done = _read_json(place / DONE_FILE)
    if done.get("depends") != digest_of_json(depends):
        return None
    try:
        found = digests_of_folder(place, leaving_out=(STARTED_FILE, DONE_FILE))
    except OSError:
        return None
    return digest_of_outcome(found) if found == done.get("files") else None


def _prepare(place: Path, depends: Mapping[str, Any]) -> None:
    """The stage's folder: as a killed run left it where it did the same, else an empty one."""
    try:
        killed = not (place / DONE_FILE).exists() and _read_json(place / STARTED_FILE) == depends
        if place.exists() and not killed:
            shutil.rmtree(place)
        place.mkdir(parents=True, exist_ok=True)
        for partial in place.rglob(".partial-*"):
            partial.unlink()
        _write_json(place / STARTED_FILE, depends)
    except OSError as error:
        raise UserError(f"{place}: cannot be written: {error.strerror}") from None


def _finish(place: Path, depends: Mapping[str, Any]) -> str:
    try:
        files = digests_of_folder(place, leaving_out=(STARTED_FILE, DONE_FILE))
        _write_json(place / DONE_FILE, {"depends": digest_of_json(depends), "files": files})
    except OSError as error:
        raise UserError(f"{place}: cannot be written: {error.strerror}") from None
    return digest_of_outcome(files)


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_json(path: Path, content: Any) -> None:
    partial = path.with_name(f".partial-{path.name}")
    partial.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    partial.replace(path)
