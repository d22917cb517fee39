"""What a stage's function is given: its settings, its inputs, a folder, a voice."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from midge.errors import InternalError, UserError
from midge.files import read_arrays, write_arrays
from midge.recipes.progress import Progress
from midge.recipes.recipe import Settings


@dataclass(frozen=True)
class StageContext:
    """One stage of one run.

    Files appear under their name only when they are whole: whoever kills a run finds none that is
    half written. What a stage leaves in its folder before it ends is there again when a killed run
    goes on, so that long training starts from its last checkpoint.

    Attributes:
        recipe: Name of the recipe.
        version: Of the recipe.
        stage: Name of the stage.
        settings: Those of the run.
        folder: Where the stage leaves its files.
        run_folder: That of the whole run, for logs that outlive one stage.
        inputs: Folders of the stages that it needs, by name.
        progress: To say how far it is.
    """

    recipe: str
    version: str
    stage: str
    settings: Settings
    folder: Path
    run_folder: Path
    inputs: Mapping[str, Path]
    progress: Progress

    def input(self, stage: str, name: str) -> Path:
        """Path of a file that an earlier stage left.

        Raises:
            InternalError: the stage does not say that it needs that stage.
        """
        if stage not in self.inputs:
            raise InternalError(f"stage {self.stage!r} reads {stage!r} without needing it")
        return self.inputs[stage] / name

    @contextlib.contextmanager
    def whole(self, name: str) -> Iterator[Path]:
        """A path to write to, which becomes the file `name` when the block ends without an error.

        Args:
            name: Relative path in the stage's folder.

        Yields:
            a temporary path beside it, of the same ending.
        """
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".partial-{path.name}")
        try:
            yield partial
            partial.replace(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}") from None
        finally:
            partial.unlink(missing_ok=True)

    def save_text(self, name: str, text: str) -> None:
        """Leave a text file in UTF-8."""
        with self.whole(name) as path:
            path.write_text(text, "utf-8", newline="\n")

    def save_json(self, name: str, content: Any) -> None:
        """Leave a JSON file; NaN and infinity are refused, for no other reader takes them."""
        self.save_text(name, json.dumps(content, indent=1, allow_nan=False) + "\n")

    def save_arrays(self, name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Leave arrays by name as .npz, the same bytes for the same arrays."""
        with self.whole(name) as path:
            write_arrays(str(path), {k: np.asarray(v) for k, v in arrays.items()})

    def load_json(self, stage: str, name: str) -> Any:
        """What an earlier stage left by `save_json`."""
        return json.loads(self.input(stage, name).read_text("utf-8"))

    def load_arrays(self, stage: str, name: str) -> dict[str, npt.NDArray[Any]]:
        """What an earlier stage left by `save_arrays`."""
        arrays = read_arrays(str(self.input(stage, name)))
        if not isinstance(arrays, dict):
            raise InternalError(f"{stage}/{name}: holds one array without a name")
        return arrays
