"""Made-up beats for the tests of learning: classes differ in rhythm (S) and in shape (V)."""

from __future__ import annotations

import numpy as np

from midge.recipes.ecg.beats import BeatSet
from midge.recipes.ecg.networks import FEATURES

POINTS = 72


def made_up_beats(count: int = 600, patients: int = 6, seed: int = 0) -> BeatSet:
    """Beats that any sound training tells apart."""
    random = np.random.default_rng(seed)
    labels = random.choice(3, count, p=(0.8, 0.1, 0.1)).astype(np.int64)
    time = np.linspace(-1, 1, POINTS)
    width = np.where(labels == 2, 0.3, 0.05)[:, None]
    windows = np.exp(-((time / width) ** 2)) + 0.02 * random.standard_normal((count, POINTS))
    features = 0.05 * random.standard_normal((count, len(FEATURES)))
    features[labels == 1, :3] -= 0.5
    features[labels == 2, -3:] += 0.5
    return BeatSet(
        windows.astype(np.float32)[:, None, None],
        features.astype(np.float32),
        labels,
        np.sort(np.arange(count) % patients),
    )
