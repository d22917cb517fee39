"""What quantisation did to a network, as one page of HTML that needs nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from midge.report.html_page import page_environment
from midge.report.quantization_noise import draw_cloud, draw_noise, real
from midge.report.quantization_pictures import (
    Columns,
    Histogram,
    draw_channels,
    draw_histogram,
    draw_weights,
)
from midge.report.quantization_reasons import codes_spanned, reasons
from midge.report.wording import (
    NO_BREAK,
    NOTHING_TO_SHOW,
    byte_count,
    count,
    familiar_names,
    percent,
)

Json = dict[str, Any]

LEAST_COST_DB = 0.05
"""What is less is written as 0.0, and may be the luck of rounding."""
MOST_OPEN = 9
"""Layers whose pictures stand open; the others are in a part that a reader opens."""


@dataclass(frozen=True)
class Card:
    """One headline.

    Attributes:
        label: What it is.
        value: With its unit; None where it is not known.
        notes: What else there is to say.
        warning: What a reader must not overlook; "" for nothing.
    """

    label: str
    value: str | None
    notes: tuple[str, ...]
    warning: str = ""


@dataclass(frozen=True)
class LayerRow:
    """One layer for the table and the pictures.

    Attributes:
        name: Whole.
        short: What tells it from the others.
        data: Of the report.
        codes: How many codes its values span, of how many; "" where that is not known.
        why: Sentences; "" where nothing stands out.
        rank: 1 for the layer that costs most, to 3; 0 for the others.
        histogram: None without pictures.
        channels: None where channels have no ranges to show.
        weights: None where it has no weights to show.
        equalized: Its output channels were evened out.
    """

    name: str
    short: str
    data: Json
    codes: str
    why: tuple[str, ...]
    rank: int
    histogram: Histogram | None
    channels: Columns | None
    weights: Columns | None
    equalized: bool


def render_quantization_html(content: Json) -> str:
    """The page for a browser: no script, no outside resource, light and dark, fit for print.

    Args:
        content: `Report.to_json()` of a quantisation or an inspection. With `pictures_of` its
            values under ``pictures``, the page shows histograms, channels and outputs as well.

    Returns:
        HTML; the same content gives the same text. Names are escaped, and what cannot be written
        as UTF-8 is spelt out, so that the text can go into a file as it is.
    """
    pictures = content.get("pictures") or {}
    by_name = {picture["name"]: picture for picture in pictures.get("layers", ())}
    names = familiar_names(layer["name"] for layer in content["layers"])
    costly = _costly(content)
    # A reshape computes nothing; its figures are those of the layer in front.
    layers = [layer for layer in content["layers"] if layer["kind"] != "reshape"]
    rows = [
        _row(content, layer, names[layer["name"]], costly, by_name.get(layer["name"]))
        for layer in layers
    ]
    drawn = [row for row in rows if row.histogram is not None]
    worst = sorted(drawn, key=_noise)[:MOST_OPEN]
    outputs = pictures.get("outputs")
    page = page_environment().get_template("quantization.html")
    return page.render(
        report=content,
        inspected=not content["settings"],
        compared=content["float_vs_integer"] is not None,
        cards=_cards(content, names, costly),
        rows=rows,
        names=names,
        noise=draw_noise(layers, names, costly),
        opened=[row for row in drawn if row in worst],
        others=[row for row in drawn if row not in worst],
        outputs=outputs,
        cloud=draw_cloud(outputs) if outputs and outputs["points"] else None,
        answers=pictures.get("answers"),
        most_gain=max([r["gain_db"] or 0 for r in content["remedies"]], default=0) or 1,
        decibels=_decibels,
        points=_points,
        real=real,
    )


def _noise(row: LayerRow) -> tuple[int, float]:
    """Layers that cost most first, then by the noise that they add."""
    own = row.data["own_snr_db"]
    return (row.rank or 4, float("inf") if own is None else own)


def _costly(content: Json) -> list[str]:
    """Those of the costliest layers of which it was measured that they cost anything."""
    costs = {layer["name"]: layer["cost_db"] or 0.0 for layer in content["layers"]}
    return [n for n in content["costliest"] if costs.get(n, 0.0) >= LEAST_COST_DB]


def _row(
    content: Json,
    layer: Json,
    short: str,
    costly: Sequence[str],
    picture: Mapping[str, Any] | None,
) -> LayerRow:
    name = layer["name"]
    whole = {"int8": 256, "int16": 65_536}.get(layer["dtype"])
    codes = ""
    spanned = codes_spanned(layer["low"], layer["high"], layer["scale"])
    if whole is not None and spanned is not None:
        codes = f"{count(min(spanned, whole))} of {count(whole)}"
    drawn = dict(picture) if picture is not None else None
    return LayerRow(
        name=name,
        short=short,
        data=layer,
        codes=codes,
        why=reasons(layer, picture),
        rank=1 + costly.index(name) if name in costly else 0,
        histogram=draw_histogram(drawn) if drawn is not None else None,
        channels=draw_channels(drawn) if drawn is not None else None,
        weights=draw_weights(drawn) if drawn is not None else None,
        equalized=name in content["equalized"],
    )


def _cards(content: Json, names: Mapping[str, str], costly: Sequence[str]) -> list[Card]:
    cards = [_agreement_card(content), _size_card(content)]
    if content["settings"] or content["integer_vs_device"]:
        cards.insert(1, _device_card(content))
    accuracy = content["accuracy"]
    if accuracy:
        cards.insert(0, _accuracy_card(content, accuracy))
    cards.append(_samples_card(content))
    if content["costliest"]:
        cards.append(_cost_card(content, names, costly))
    return cards


def _accuracy_card(content: Json, accuracy: Json) -> Card:
    notes, value = [], None
    if "integer" in accuracy:
        value = percent(accuracy["integer"], 1)
        notes.append(f"of {count(content['evaluation_samples'])} samples, by the integer network")
    if "float" in accuracy:
        notes.append(f"float network: {percent(accuracy['float'], 1)}")
        if "integer" in accuracy:
            change = _points(accuracy["integer"] - accuracy["float"])
            notes.append(f"what quantisation changed: {change}")
    if "device" in accuracy:
        notes.append(f"emulated device: {percent(accuracy['device'], 1)}")
    return Card("Accuracy", value, tuple(notes))


def _agreement_card(content: Json) -> Card:
    alike = content["float_vs_integer"]
    label = "Against the float network"
    if alike is None:
        return Card(label, None, ("no float network was given to compare with",))
    if alike["largest_error"] == 0:
        return Card(label, "equal", ("every element of the outputs is the same",))
    notes = [
        f"cosine of the outputs {alike['cosine']:.5f}, mean over samples",
        f"largest difference of an element {real(alike['largest_error'])}",
    ]
    if alike["top1"] is not None:
        notes.insert(0, f"same answer on {percent(alike['top1'], 1)} of the samples")
    return Card(label, _decibels(alike["snr_db"]), tuple(notes))


def _device_card(content: Json) -> Card:
    alike = content["integer_vs_device"]
    label = "Emulated device"
    if alike is None:
        return Card(label, None, ("not run: no target was given",))
    if alike["largest_error"] == 0:
        return Card(label, "equal", ("its outputs are the interpreter's, bit for bit",))
    text = f"{_decibels(alike['snr_db'])} from the interpreter; they must be equal"
    return Card(label, "differs", (text,), "this is a defect, please report it")


def _size_card(content: Json) -> Card:
    size, before = content["weights_bytes"], content["float_weights_bytes"]
    notes = ["weights, biases and tables; the code comes on top"]
    if before:
        saved = before - size
        verb = "fewer" if saved >= 0 else "more"
        notes.insert(0, f"{percent(size, before)} of {byte_count(before)} in float32")
        notes.insert(1, f"{byte_count(abs(saved))} {verb}")
    return Card("Constants", byte_count(size), tuple(notes))


def _samples_card(content: Json) -> Card:
    evaluated = content["evaluation_samples"]
    notes = []
    if content["calibration_samples"]:
        notes.append(f"ranges come from {count(content['calibration_samples'])} others")
    warning = ""
    if content["evaluated_on_calibration"]:
        notes = []
        warning = "the same samples chose the ranges: on others the figures will be worse"
    return Card("Measured on", _samples(evaluated), tuple(notes), warning)


def _samples(number: int) -> str:
    return f"{count(number)}{NO_BREAK}{'sample' if number == 1 else 'samples'}"


def _cost_card(content: Json, names: Mapping[str, str], costly: Sequence[str]) -> Card:
    label = "Costliest layer"
    if not costly:
        return Card(label, "none", ("no single layer in float32 would help measurably",))
    costs = {layer["name"]: layer["cost_db"] for layer in content["layers"]}
    first, *rest = costly
    notes = [f"{names[first]}: in float32 it would raise the outputs' signal to noise by that much"]
    if rest:
        notes.append(f"then {', '.join(names[name] for name in rest)}")
    return Card(label, _decibels(costs[first]), tuple(notes))


def _decibels(value: float | None, *, signed: bool = False) -> str:
    """``38.2 dB``; a dash where there is no figure."""
    if value is None:
        return NOTHING_TO_SHOW
    value = round(value, 1) + 0.0  # no minus on a zero
    text = f"{value:+.1f}" if signed else f"{value:.1f}"
    return f"{text}{NO_BREAK}dB".replace("-", "\N{MINUS SIGN}")


def _points(difference: float) -> str:
    """A difference of two shares: ``−0.5 points``."""
    sign = "\N{MINUS SIGN}" if difference < 0 else "+"
    return f"{sign}{abs(100 * difference):.1f}{NO_BREAK}points"
