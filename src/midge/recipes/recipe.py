"""What a recipe is: an application as data, a row of stages that leave files behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midge.recipes.stage_context import StageContext


@dataclass(frozen=True)
class Settings:
    """What a user chooses for a run.

    Attributes:
        data: Folder of recordings; None to look where MIDGE_DATA says, to fetch or to synthesise.
        target: The board to build for, as `midge targets` names it.
        seed: Of everything random.
        records_on_device: How many recordings go through the emulated device, sample by sample;
            the twin, which is equal to it bit by bit, takes the others.
        quick: Little data and short training, to see that all of it runs; the figures mean nothing.
    """

    data: Path | None = None
    target: str = "nrf52840"
    seed: int = 0
    records_on_device: int = 4
    quick: bool = False


@dataclass(frozen=True)
class Stage:
    """One step from data to report.

    A stage is done once: it is passed over as long as everything that it depends on is the same,
    which is what `needs`, `settings`, `sources` and `fingerprint` say.

    Attributes:
        name: Also that of its folder.
        title: What it does, as the progress says it: ``learn the device network``.
        run: Does it: reads its inputs and leaves files, both through the context.
        needs: Names of earlier stages whose files it reads.
        settings: Names of the fields of `Settings` that change what it leaves.
        sources: Its own code, as patterns relative to the package: ``recipes/ecg/learning*.py``.
        fingerprint: What else it depends on, as text, such as the digest of its data.
        weight: Its share of a run's time, in any unit; for the estimate of what is left.
    """

    name: str
    title: str
    run: Callable[[StageContext], None]
    needs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    fingerprint: Callable[[Settings], str] | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """An application, end to end.

    Attributes:
        name: What the command line calls it.
        version: Of the released recipe; a test set is evaluated once for each.
        stages: In order.
        report: The stage and file that a reader opens: ``report/report.html``.
    """

    name: str
    version: str
    stages: tuple[Stage, ...]
    report: str
