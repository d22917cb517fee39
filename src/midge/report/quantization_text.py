"""A compression report for a terminal: about a hundred columns, no colours."""

from __future__ import annotations

import textwrap
from typing import Any

from midge.report.wording import (
    NO_BREAK,
    NOTHING_TO_SHOW,
    aligned,
    byte_count,
    count,
    percent,
    printable,
    shorten,
)

Json = dict[str, Any]
WIDTH = 100
WIDEST_NAME = 26
HEADS = (
    "Layer",
    "",
    "type",
    "SNR",
    "own",
    "range of reals",
    "range of codes",
    "clipped",
    "weights",
)
INTEGER_HEADS = ("Layer", "", "type", "range of codes", "at an end", "dead", "weights")


def render_quantization_text(report: Json) -> str:
    """The report as lines of at most about 100 columns, the last one not ended.

    Args:
        report: What a compression report's `to_json` gives: of a quantisation, or of an inspection,
            with or without a float network.
    """
    lines = [*_head(report), ""]
    # A reshape moves nothing and costs nothing.
    shown = [layer for layer in report["layers"] if layer["kind"] != "reshape"]
    left = (0, 1, 2)
    if report["float_vs_integer"] is not None:
        rows = [HEADS, *map(_row, shown)]
    else:
        rows = [INTEGER_HEADS, *map(_integer_row, shown)]
    lines += aligned(rows, left)
    if report["float_vs_integer"] is not None:
        lines += ["SNR: signal to noise of a layer's output; own: with exact inputs"]
    if report["remedies"]:
        lines += ["", *_remedies(report)]
    for note in report["notes"]:
        lines += textwrap.wrap(f"note: {printable(note)}", WIDTH, subsequent_indent="  ")
    return "\n".join(line.replace(NO_BREAK, " ").rstrip() for line in lines)


def decibels(value: float | None) -> str:
    """``38.2 dB``; a dash where there is no signal, or no error."""
    return NOTHING_TO_SHOW if value is None else f"{value:.1f}{NO_BREAK}dB"


def share(value: float | None) -> str:
    """A share in percent."""
    return NOTHING_TO_SHOW if value is None else percent(value, 1)


def _head(report: Json) -> list[str]:
    settings = report["settings"]
    how = f"{settings.get('weights', '')} weights, {settings.get('activations', '')} activations"
    title = printable(report["model"])
    lines = [shorten(f"{title}: {how}, {settings['observer']}" if settings else title, WIDTH)]
    weights = byte_count(report["weights_bytes"])
    if report["float_weights_bytes"]:
        part = percent(report["weights_bytes"], report["float_weights_bytes"])
        weights += f", {part} of {byte_count(report['float_weights_bytes'])} in float32"
    lines.append(f"{'Constants':<15}{weights}")
    own = "calibration samples" if report["evaluated_on_calibration"] else "evaluation samples"
    for name, alike in (
        ("Float network", report["float_vs_integer"]),
        ("Device", report["integer_vs_device"]),
    ):
        if alike is None:
            continue
        facts = ["equal in every bit"]
        if alike["largest_error"]:
            facts = [decibels(alike["snr_db"]), f"cosine {alike['cosine']:.5f}"]
        if alike["top1"] is not None:
            facts.append(f"same answer {share(alike['top1'])}")
        against = "integer network against it" if name == "Float network" else "against integers"
        lines.append(f"{name:<15}{', '.join(facts)} ({against})")
    if report["accuracy"]:
        figures = ", ".join(f"{name} {share(v)}" for name, v in report["accuracy"].items())
        lines.append(f"{'Accuracy':<15}{figures}")
    if report["evaluation_samples"]:
        lines.append(f"{'Measured on':<15}{count(report['evaluation_samples'])} {own}")
    return lines


def _span(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return NOTHING_TO_SHOW
    return f"{low:.3g} .. {high:.3g}"


def _name(layer: Json) -> tuple[str, str]:
    return shorten(printable(layer["name"]), WIDEST_NAME), layer["kind"]


def _row(layer: Json) -> tuple[str, ...]:
    return (
        *_name(layer),
        layer["dtype"],
        decibels(layer["snr_db"]),
        decibels(layer["own_snr_db"]),
        _span(layer["low"], layer["high"]),
        _span(layer["code_low"], layer["code_high"]),
        share(layer["clipped"]),
        byte_count(layer["weights_bytes"]) if layer["weights_bytes"] else NOTHING_TO_SHOW,
    )


def _integer_row(layer: Json) -> tuple[str, ...]:
    dead = layer["dead_channels"]
    return (
        *_name(layer),
        layer["dtype"],
        _span(layer["code_low"], layer["code_high"]),
        share(layer["saturated"]),
        NOTHING_TO_SHOW if dead is None else f"{dead} of {layer['channels']}",
        byte_count(layer["weights_bytes"]) if layer["weights_bytes"] else NOTHING_TO_SHOW,
    )


def _remedies(report: Json) -> list[str]:
    """What costs most, and what was measured to help."""
    costliest = ", ".join(printable(name) for name in report["costliest"]) or "none measurable"
    rows: list[tuple[str, ...]] = [
        ("What would give it back", "SNR", "gain", "same answer", "accuracy", "bytes")
    ]
    rows += [_remedy(remedy) for remedy in report["remedies"]]
    return [
        *textwrap.wrap(f"Layers that cost most: {costliest}", WIDTH, subsequent_indent="  "),
        *aligned(rows, (0,)),
    ]


def _remedy(remedy: Json) -> tuple[str, ...]:
    gain = NOTHING_TO_SHOW if remedy["gain_db"] is None else f"{remedy['gain_db']:+.1f}{NO_BREAK}dB"
    return (
        shorten(printable(remedy["change"]), 48),
        decibels(remedy["snr_db"]),
        gain,
        share(remedy["top1"]),
        share(remedy["accuracy"]),
        f"{remedy['extra_bytes']:+,}",
    )
