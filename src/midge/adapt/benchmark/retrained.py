"""Forecasters that are trained anew on the whole history: LightGBM, and N-BEATS in PyTorch.

They stand for what the learner replaces. Everything that training time depends on is fixed here.
Importing this module needs `lightgbm` and `torch`.
"""

from __future__ import annotations

import time
from typing import Any

import lightgbm
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from midge.adapt.benchmark.linear import Series, lagged

HORIZON = 60
LOOKBACK = 2 * HORIZON
"""N-BEATS looks back over 2 to 7 horizons; the cheapest of its paper's."""

STACKS = 30
LAYERS = 4
WIDTH = 512
BATCH = 1024
RATE = 1e-3
"""N-BEATS-G of its paper (Oreshkin and others 2020): one block a stack, 512 wide, one network here
where the paper averages 180."""

EPOCHS = 10
"""Fixed before anything was timed; the paper trains for thousands of batches more."""

TIMED_BATCHES = 10
TREES = 100
"""LightGBM's default number of rounds."""
TREE_LAGS = 30
THREADS = 2
SEED = 7


def lightgbm_seconds(series: Series) -> float:
    """Seconds to train LightGBM on a series: one model a channel, for one lead of the 60 alone."""
    features = lagged(series, TREE_LAGS).reshape(len(series), -1)[TREE_LAGS - 1 : -HORIZON]
    begun = time.perf_counter()
    for channel in range(series.shape[1]):
        model = lightgbm.LGBMRegressor(
            n_estimators=TREES, n_jobs=THREADS, random_state=SEED, verbose=-1
        )
        model.fit(features, series[TREE_LAGS - 1 + HORIZON :, channel])
    return time.perf_counter() - begun


def n_beats_seconds(series: Series, whole: bool) -> tuple[float, int]:
    """Seconds to train N-BEATS on a series, and how many batches were run for it.

    Args:
        series: [ticks, channels].
        whole: Train all epochs; else run `TIMED_BATCHES` and multiply up to all of them.
    """
    torch.manual_seed(SEED)
    torch.set_num_threads(THREADS)
    channels = series.shape[1]
    model = NBeats(LOOKBACK * channels, HORIZON * channels)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    data = torch.tensor(series, dtype=torch.float32)
    windows = len(series) - LOOKBACK - HORIZON + 1
    needed = EPOCHS * -(-windows // BATCH)
    wanted = needed if whole else min(needed, TIMED_BATCHES)
    random = np.random.default_rng(SEED)
    begun, done = time.perf_counter(), 0
    while done < wanted:
        order = random.permutation(windows)
        for first in range(0, windows, BATCH):
            if done == wanted:
                break
            _step(model, optimizer, data, order[first : first + BATCH])
            done += 1
    return (time.perf_counter() - begun) * needed / done, done


def _step(model: Any, optimizer: Any, data: Any, begins: NDArray[np.int64]) -> None:
    index = torch.tensor(begins)[:, None] + torch.arange(LOOKBACK + HORIZON)
    window = data[index]
    past, future = window[:, :LOOKBACK].flatten(1), window[:, LOOKBACK:].flatten(1)
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(past), future)
    loss.backward()
    optimizer.step()


class NBeats(nn.Module):
    """Blocks that each explain a part of the window and add to the forecast (generic basis)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_block(inputs, inputs + outputs) for _ in range(STACKS))
        self.inputs = inputs

    def forward(self, window: Any) -> Any:
        """Forecasts [batch, outputs] from windows [batch, inputs]."""
        left, forecast = window, 0.0
        for block in self.blocks:
            answer = block(left)
            left = left - answer[:, : self.inputs]
            forecast = forecast + answer[:, self.inputs :]
        return forecast


def _block(inputs: int, outputs: int) -> Any:
    layers: list[Any] = []
    for index in range(LAYERS):
        layers += [nn.Linear(inputs if index == 0 else WIDTH, WIDTH), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, outputs))
