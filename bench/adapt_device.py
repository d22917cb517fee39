"""What a learner costs on virtual microcontrollers: ``python -m bench.adapt_device [FOLDER]``.

For 1, 4 and 12 channels at horizon 60, cycles of a tick on the nRF52840 (with an FPU) and the
RP2040 (without): as an application runs it that asks for forecasts now and then, and with the whole
forecast at every tick; in float32 and in fixed point. Answers and checkpoint are held against the
twin, bit for bit.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from bench.markdown import RESULTS, table, write_results
from midge.adapt import StreamModel
from midge.adapt.model import Arithmetic
from midge.driver.learner import LearnerCost, compile_learner
from midge.errors import InternalError
from midge.virtual_mcu import target as find_target

HORIZON = 60
BUDGETS = {1: "4 KB", 4: "8 KB", 12: "24 KB"}
"""RAM of the state by channels. Twelve channels need 17 KB at this horizon."""
WITHIN_8_KB = "6.5 KB"
"""State of four channels that leaves room for the stack within 8 KB."""
TICKS = {"nrf52840": 1200, "rp2040": 240}
"""By target; without an FPU a tick is forty times as many instructions."""
FORECAST_TICKS = 60
ARITHMETICS: tuple[Arithmetic, ...] = ("float32", "fixed")
RESOLUTION = 2.0**-12
"""Of the fixed-point learner: the series is of size one, as a converter of 12 bits has it."""
SEED = 11
MADE_BY = "bench.adapt_device of Midge"


@dataclass(frozen=True)
class Row:
    """One learner on one board.

    Attributes:
        target: The board.
        arithmetic: ``float32`` or ``fixed``.
        channels: Numbers a sample.
        budget: RAM that its state was given.
        joint_lags, regimes, ring: What it made of that.
        tick: Cost of ticks that forecast as far as judging units needs.
        whole: Cost of ticks that hand over the whole forecast.
    """

    target: str
    arithmetic: Arithmetic
    channels: int
    budget: str
    joint_lags: int
    regimes: int
    ring: int
    tick: LearnerCost
    whole: LearnerCost


def series(ticks: int, channels: int) -> NDArray[np.float32]:
    """Oscillations that change regime every 200 ticks, three in turn, with noise."""
    rng, t = np.random.default_rng(SEED), np.arange(ticks)
    phase = np.cumsum(np.array([0.05, 0.31, 0.83])[t // 200 % 3])
    waves = [np.sin(phase * (1 + 0.3 * i) + i) * (1 + i) for i in range(channels)]
    noise = 0.05 * rng.normal(size=(ticks, channels))
    return (np.stack(waves, axis=1) + noise).astype(np.float32)


def measure(target: str, channels: int, budget: str, arithmetic: Arithmetic) -> Row:
    """One learner on one board.

    Raises:
        InternalError: The board and the twin differ in a bit.
    """
    step = {"float32": 1.0, "fixed": RESOLUTION}[arithmetic]
    model = StreamModel(channels, HORIZON, budget, arithmetic, resolution=step)
    print(f"{target}, {arithmetic}, {channels} channels, {budget}", file=sys.stderr, flush=True)
    fed = series(TICKS[target], channels)
    artifact = compile_learner(model, target=target)
    run = artifact.run(fed)
    whole = artifact.run(fed[-FORECAST_TICKS:], forecasts=True, restored=run.saved)
    for sample in fed:
        model.update(sample)
    if model.save() != run.saved:
        raise InternalError(f"{target}, {channels} channels: the board and the twin differ")
    sizes = model.sizes
    made_of = sizes.joint_lags, sizes.regimes, sizes.ring
    return Row(target, arithmetic, channels, budget, *made_of, run.cost, whole.cost)


def text_of(rows: list[Row]) -> str:
    """The page."""
    lines = []
    for row in rows:
        clock = find_target(row.target).clock_hz
        assert row.tick.cycles is not None
        assert row.whole.cycles is not None
        lines.append(
            [
                row.target,
                row.arithmetic,
                row.channels,
                row.budget,
                round(row.tick.cycles),
                row.tick.largest_cycles,
                round(row.whole.cycles),
                row.whole.largest_cycles,
                _whole(row.tick.board_cycles),
                row.tick.largest_board_cycles,
                _whole(row.whole.board_cycles),
                _milliseconds(row.whole.board_cycles, clock),
                row.tick.state_bytes,
                row.whole.stack_bound_bytes,
                row.whole.ram_bytes,
                row.whole.flash_bytes,
            ]
        )
    ticks = " and ".join(f"{count:,} ({target})" for target, count in TICKS.items())
    header = (
        *("board", "arithmetic", "channels", "budget", "cycles a tick", "dearest tick"),
        *("with whole forecast", "dearest of these"),
        *("from flash: a tick", "dearest", "with whole forecast", "ms"),
        *("state", "stack", "RAM", "flash"),
    )
    return (
        f"# A learner of Midge on a device\n\nFrom `python -m bench.adapt_device`: horizon "
        f"{HORIZON}, {ticks} ticks of a series whose regimes return, compiled by zig's clang at "
        "-O2. The first four counts of cycles are those of the core with memory that answers at "
        "once, *from flash* the same with what it waits for the board's flash. *Cycles a tick* is "
        "the mean of ticks that learn, flag and forecast as far as judging the units needs; "
        "*dearest tick* leaves out the first four, in which scales are found; *with whole "
        f"forecast* is the mean of ticks that hand over all {HORIZON} leads, *ms* the time of one "
        "from flash at the board's clock. RAM is state and bound of the stack, in bytes. Every "
        "checkpoint equals that of the NumPy twin bit for bit.\n\n" + table(header, lines)
    )


def _whole(cycles: float | None) -> int | None:
    return None if cycles is None else round(cycles)


def _milliseconds(cycles: float | None, clock_hz: int | None) -> str | None:
    return None if cycles is None or clock_hz is None else f"{1e3 * cycles / clock_hz:.2f}"


def main(folder: str) -> None:
    """Measure all and write ``adapt_device.{md,json}``."""
    cases = [*BUDGETS.items(), (4, WITHIN_8_KB)]
    rows = [
        measure(target, *case, arithmetic)
        for target in TICKS
        for arithmetic in ARITHMETICS
        for case in sorted(cases)
    ]
    content = {
        "made by": MADE_BY,
        "horizon": HORIZON,
        "ticks": TICKS,
        "rows": [asdict(row) for row in rows],
    }
    write_results(folder, "adapt_device", text_of(rows), content)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else RESULTS)
