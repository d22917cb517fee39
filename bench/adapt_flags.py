"""How often a learner flags where nothing is wrong: ``python -m bench.adapt_flags``, minutes.

Streams of one law, so that every flag is a false alarm. Of each target rate: the share of ticks
whose `anomaly` is below it, in parts of the target. 1 is right; less says that the learner is more
careful than it was asked to be. Writes ``bench/results/adapt_flags.{md,json}``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.markdown import RESULTS, table, write_results
from midge.adapt import StreamModel
from midge.driver.learner_host import HostLearner

Floats = NDArray[np.float64]

MADE_BY = "bench.adapt_flags of Midge"
RATES = (1e-1, 1e-2, 1e-3, 1e-4)
TICKS, FIRST = 200_000, 2_000
"""Counted are those behind the first, in which the histogram fills."""


def streams(channels: int) -> Iterator[tuple[str, Floats]]:
    """Series [TICKS, channels] by what they are."""
    rng = np.random.default_rng(channels)
    shape = (TICKS, channels)
    noise = rng.normal(size=shape)
    yield "uniform noise", rng.uniform(size=shape)
    yield "Gaussian noise", noise
    yield "a sine in Gaussian noise", np.sin(np.arange(TICKS)[:, None] / 9) + 0.1 * noise
    yield "autoregression (0.9), Gaussian", _smoothed(noise)
    yield "counts, Poisson of mean 2", rng.poisson(2, shape).astype(np.float64)
    yield "Student's t, 3 degrees", rng.standard_t(3, shape)
    yield "Cauchy noise", rng.standard_cauchy(shape)


def _smoothed(noise: Floats) -> Floats:
    out = noise.copy()
    for tick in range(1, len(out)):
        out[tick] += 0.9 * out[tick - 1]
    return out


def main() -> None:
    """Measure, write."""
    rows, content = [], {}
    for channels in (1, 4):
        for name, series in streams(channels):
            learner = HostLearner(StreamModel(channels, 10, "8 KB"))
            anomaly = learner.run(series, ()).anomaly[FIRST:]
            parts = [float(np.mean(anomaly < rate)) / rate for rate in RATES]
            rows.append([channels, name, *(f"{part:.2f}" for part in parts)])
            content[f"{channels}, {name}"] = parts
    text = (
        "# How often Midge's learner flags where nothing is wrong\n\nFrom `python -m "
        f"bench.adapt_flags`: streams of one law, {TICKS:,} ticks of which the first {FIRST:,} are "
        "not counted; the share of ticks whose `anomaly` is below a target rate of false alarms, "
        "in parts of the target. 1.00 is right; below, the learner flags less than it was asked "
        "to. At 0.0001 twenty flags are expected, of which 12 to 29 are within chance.\n\n"
        + table(("channels", "stream", *(f"{rate:g}" for rate in RATES)), rows, left=2)
    )
    found = {"made_by": MADE_BY, "rates": RATES, "parts": content}
    write_results(RESULTS, "adapt_flags", text, found)


if __name__ == "__main__":
    main()
