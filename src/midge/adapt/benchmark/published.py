"""Figures that others published for the same data, quoted, never measured here."""

from __future__ import annotations

from collections.abc import Mapping

Pairs = tuple[tuple[float, float], ...]

MOCAP_LOOKAHEADS = (5, 10, 15)

MOCAP: Mapping[str, Mapping[str, Pairs]] = {
    "No1": {
        "ModePlait (KDD 2025)": ((0.353, 0.221), (0.511, 0.325), (0.653, 0.419)),
        "OrbitMap (KDD 2019)": ((0.508, 0.316), (0.730, 0.476), (0.903, 0.565)),
        "PatchTST": ((0.492, 0.303), (0.838, 0.535), (0.972, 0.654)),
        "TimesNet": ((0.759, 0.490), (0.843, 0.564), (0.883, 0.592)),
    },
    "No2": {
        "ModePlait (KDD 2025)": ((0.309, 0.177), (0.501, 0.309), (0.687, 0.433)),
    },
}
"""RMSE and MAE at each lookahead; all as given in the paper of ModePlait."""

ETT_HORIZON_1: Mapping[str, Mapping[str, float]] = {
    "ETTh2": {"OnlineTCN": 0.502, "FSNet": 0.466, "OneNet": 0.380, "PatchTST": 0.362},
}
"""Mean squared error as in OneNet (NeurIPS 2023). Its figures at longer horizons are not quoted:
there models learnt from targets that could not have been observed yet."""

NAB: Mapping[str, tuple[float, float, float]] = {
    "ARTime": (74.9, 65.1, 80.4),
    "Numenta HTM": (70.5, 62.6, 75.2),
    "CAD OSE": (69.9, 67.0, 73.2),
    "earthgecko Skyline": (58.2, 46.2, 63.9),
    "KNN CAD": (58.0, 43.4, 64.8),
    "Relative Entropy": (54.6, 47.6, 58.8),
    "Random Cut Forest": (51.7, 38.4, 59.7),
    "Twitter ADVec v1.0.0": (47.1, 33.6, 53.5),
    "Windowed Gaussian": (39.6, 20.9, 47.4),
    "Etsy Skyline": (35.7, 27.1, 44.5),
    "Bayesian Changepoint": (17.7, 3.2, 32.2),
    "EXPoSE": (16.4, 3.2, 26.9),
    "Random": (11.0, 1.2, 19.5),
    "Null": (0.0, 0.0, 0.0),
}
"""The scoreboard of NAB v1.1: standard profile, reward low FP, reward low FN.

Of ranges over seeds, the best end."""
