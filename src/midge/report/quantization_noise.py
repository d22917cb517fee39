"""The drawings of a whole network: noise from layer to layer, and its outputs against the floats.

Everything here is geometry in SVG user units, one unit a CSS pixel; the template draws it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from midge.report.wording import NO_BREAK, printable

Json = dict[str, Any]
Points = tuple[tuple[float, float], ...]

NOISE_LEFT = 230.0
NOISE_WIDTH = 640.0
NOISE_RIGHT = 150.0
NOISE_TOP = 28.0
ROW = 24.0
CLOUD = 300.0
CLOUD_LEFT = 54.0
CLOUD_TOP = 8.0


def real(value: float) -> str:
    """A real number with three digits: ``-0.0132``, ``4.1``; a true minus sign."""
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True)
class Tick:
    """A line at a value; `at` is x or y."""

    at: float
    text: str


@dataclass(frozen=True)
class NoiseRow:
    """A layer: where its two figures lie.

    Attributes:
        y: Of its middle.
        whole: x of its signal to noise; None where there is none.
        own: x of the same with exact inputs.
        cost: x behind the name of those that cost most; "" for the others.
    """

    y: float
    name: str
    whole: float | None
    own: float | None
    cost: str
    tooltip: str


@dataclass(frozen=True)
class NoisePicture:
    """Signal to noise of all layers, the first on top; further right is better."""

    width: float
    height: float
    left: float
    right: float
    bottom: float
    ticks: tuple[Tick, ...]
    rows: tuple[NoiseRow, ...]
    path: Points


def draw_noise(
    layers: Sequence[Json], names: Mapping[str, str], costliest: Sequence[str]
) -> NoisePicture | None:
    """Lay it out; None where no layer was compared with the float network.

    Args:
        layers: Of the report.
        names: What a layer is called on the page, by its whole name.
        costliest: Whole names of the layers that cost most.
    """
    shown = [r for r in layers if r["snr_db"] is not None or r["own_snr_db"] is not None]
    figures: list[float] = [
        v for r in shown for v in (r["snr_db"], r["own_snr_db"]) if v is not None
    ]
    if not figures:
        return None
    low = 10 * math.floor(min(figures) / 10)
    high = max(10 * math.ceil(max(figures) / 10), low + 20)
    every = 10 * math.ceil((high - low) / 100)

    def x(value: float) -> float:
        return NOISE_LEFT + NOISE_WIDTH * (value - low) / (high - low)

    def at(value: float | None) -> float | None:
        return None if value is None else x(value)

    rows = []
    for number, layer in enumerate(shown):
        cost = ""
        if layer["name"] in costliest:
            cost = f"costs {layer['cost_db']:.1f}{NO_BREAK}dB"
        rows.append(
            NoiseRow(
                y=NOISE_TOP + ROW * (number + 0.5),
                name=names[layer["name"]],
                whole=at(layer["snr_db"]),
                own=at(layer["own_snr_db"]),
                cost=cost,
                tooltip=f"{printable(layer['name'])}\n{_decibels(layer['snr_db'])} behind "
                f"quantised layers\n{_decibels(layer['own_snr_db'])} on exact inputs",
            )
        )
    bottom = NOISE_TOP + ROW * len(rows)
    return NoisePicture(
        width=NOISE_LEFT + NOISE_WIDTH + NOISE_RIGHT,
        height=bottom + 22,
        left=NOISE_LEFT,
        right=NOISE_LEFT + NOISE_WIDTH,
        bottom=bottom,
        ticks=tuple(Tick(x(v), f"{v}{NO_BREAK}dB") for v in range(low, high + 1, every)),
        rows=tuple(rows),
        path=tuple((row.whole, row.y) for row in rows if row.whole is not None),
    )


def _decibels(value: float | None) -> str:
    return "no figure" if value is None else f"{value:.1f}{NO_BREAK}dB"


@dataclass(frozen=True)
class Cloud:
    """Outputs of the float network to the right, of the integers upwards."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    points: Points
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def draw_cloud(outputs: Json) -> Cloud:
    """Lay it out.

    Args:
        outputs: Of the pictures.
    """
    values: list[float] = [v for pair in outputs["points"] for v in pair]
    low, high = min(values), max(values)
    margin = 0.04 * (high - low) or max(0.5, 0.01 * abs(high))
    low, high = low - margin, high + margin
    ticks = _round_values(low, high)

    def x(value: float) -> float:
        return CLOUD_LEFT + CLOUD * (value - low) / (high - low)

    def y(value: float) -> float:
        return CLOUD_TOP + CLOUD * (1 - (value - low) / (high - low))

    return Cloud(
        width=CLOUD_LEFT + CLOUD + 14,
        height=CLOUD_TOP + CLOUD + 40,
        left=CLOUD_LEFT,
        right=CLOUD_LEFT + CLOUD,
        top=CLOUD_TOP,
        bottom=CLOUD_TOP + CLOUD,
        points=tuple((x(a), y(b)) for a, b in outputs["points"]),
        x_ticks=tuple(Tick(x(v), real(v)) for v in ticks),
        y_ticks=tuple(Tick(y(v), real(v)) for v in ticks),
    )


def _round_values(low: float, high: float) -> list[float]:
    """Four to eight round numbers between two numbers."""
    whole = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(whole))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= whole * 0.75)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
