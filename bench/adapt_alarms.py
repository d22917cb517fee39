"""What alarms cost beside their learner: ``python -m bench.adapt_alarms [FOLDER]``.

On the nRF52840 (with an FPU) and the RP2040 (without), for 1 and 4 channels, in both arithmetics of
the learner; the alarms themselves are float32. Probabilities, alarms and what is saved are held
against the twin, bit for bit.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass

import numpy as np

from bench.adapt_device import ARITHMETICS, BUDGETS, HORIZON, RESOLUTION, series
from bench.markdown import RESULTS, table, write_results
from midge.adapt import Alarms, StreamModel
from midge.adapt.model import Arithmetic
from midge.driver.alarms import AlarmsCost, compile_alarms
from midge.driver.learner import compile_learner
from midge.driver.learner_host import HostLearner
from midge.errors import InternalError

TARGETS = ("nrf52840", "rp2040")
TICKS = 240
HORIZONS = (HORIZON, HORIZON // 2)
"""Of the alarms."""
CHANNELS = (1, 4)
MADE_BY = "bench.adapt_alarms of Midge"


@dataclass(frozen=True)
class Row:
    """Alarms of one learner on one board.

    Attributes:
        target: The board.
        arithmetic: The learner's.
        channels: Numbers a sample.
        horizon: The longest lead that is watched.
        cost: What they cost.
        flash_bytes: Code and constants that they add to the learner's.
    """

    target: str
    arithmetic: Arithmetic
    channels: int
    horizon: int
    cost: AlarmsCost
    flash_bytes: int


def measure(target: str, arithmetic: Arithmetic, channels: int, horizon: int) -> Row:
    """Alarms of one learner on one board.

    Raises:
        InternalError: The board and the twin differ in a bit.
    """
    print(f"{target}, {arithmetic}, {channels} channels, {horizon}", file=sys.stderr, flush=True)
    steps = RESOLUTION if arithmetic == "fixed" else None
    model = StreamModel(
        channels, HORIZON, BUDGETS[channels], arithmetic, resolution=RESOLUTION if steps else 1.0
    )
    alarms, fed = Alarms(channels, horizon, resolution=steps), series(TICKS, channels)
    artifact = compile_alarms(model, alarms, target=target)
    run = artifact.run(fed)
    host = HostLearner(model)
    forecasts = host.run(fed, alarms.leads).forecasts
    told = [alarms.update(*row).probability for row in zip(fed, forecasts, strict=True)]
    if not np.array_equal(run.told["probability"], told) or run.saved != (
        host.save(),
        alarms.save(),
    ):
        raise InternalError(f"{target}, {arithmetic}: the board and the twin differ")
    flash = artifact.flash_bytes - compile_learner(model, target=target).flash_bytes
    return Row(target, arithmetic, channels, horizon, run.cost, flash)


def text_of(rows: list[Row]) -> str:
    """The page."""
    lines = []
    for row in rows:
        cost = row.cost
        assert cost.cycles is not None
        assert cost.learner_cycles is not None
        lines.append(
            [
                row.target,
                row.arithmetic,
                row.channels,
                row.horizon,
                round(cost.cycles),
                round(cost.learner_cycles),
                f"{100 * cost.cycles / cost.learner_cycles:.0f} %",
                cost.state_bytes,
                cost.stack_bound_bytes,
                row.flash_bytes,
            ]
        )
    header = (
        *("board", "learner", "channels", "alarms' horizon", "cycles a tick"),
        *("the learner's, with whole forecast", "part", "RAM", "stack", "flash"),
    )
    return (
        f"# Alarms of Midge on a device\n\nFrom `python -m bench.adapt_alarms`: a learner of "
        f"horizon {HORIZON} and its alarms, {TICKS} ticks of a series whose regimes return, "
        "compiled by zig's clang at -O2. Cycles are those of the core with memory that answers at "
        "once; those of the alarms are what a tick costs with them, less what it costs without. "
        "RAM is what they remember, flash what they add to the learner's. Every probability, and "
        "what is saved at the end, equals that of the NumPy twin bit for bit.\n\n"
        + table(header, lines)
    )


def main(folder: str) -> None:
    """Measure all and write ``adapt_alarms.{md,json}``."""
    rows = [
        measure(target, arithmetic, channels, horizon)
        for target in TARGETS
        for arithmetic in ARITHMETICS
        for channels in CHANNELS
        for horizon in HORIZONS
    ]
    content = {"made by": MADE_BY, "ticks": TICKS, "rows": [asdict(row) for row in rows]}
    write_results(folder, "adapt_alarms", text_of(rows), content)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else RESULTS)
