"""What quantisation did to a network, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from midge.compress.measure import Agreement

Json = dict[str, Any]
FORMAT = 1
"""Version of the report's form."""


@dataclass(frozen=True)
class LayerReport:
    """One layer of the quantised network.

    Attributes:
        name: The op's.
        kind: The op's.
        shape: Of its output.
        dtype: Of its output.
        weights_dtype: Of its weights; "" where it has none.
        snr_db: Signal to noise of its output in decibels, everything in front of it quantised;
            None where there is no float network, no signal or no error.
        own_snr_db: The same with exact inputs: what this layer adds.
        low: The least value of its output in the float network; None where there is none.
        high: The greatest.
        code_low: What the least code stands for; None for a float layer.
        code_high: What the greatest code stands for.
        scale: One step.
        zero_point: The code of zero.
        clipped: Share of the float network's elements that no code reaches.
        saturated: Share of elements at an end of the codes; of a clamp's output that is meant.
        dead_channels: Output channels that had one value throughout.
        channels: Output channels.
        weights_bytes: Of its constants.
        float_weights_bytes: Of the float layer's; None where it is not known.
        cost_db: By how much the outputs' signal to noise rises when this layer alone computes in
            float32; None where that was not measured.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    weights_dtype: str = ""
    snr_db: float | None = None
    own_snr_db: float | None = None
    low: float | None = None
    high: float | None = None
    code_low: float | None = None
    code_high: float | None = None
    scale: float | None = None
    zero_point: int | None = None
    clipped: float | None = None
    saturated: float | None = None
    dead_channels: int | None = None
    channels: int = 0
    weights_bytes: int = 0
    float_weights_bytes: int | None = None
    cost_db: float | None = None


@dataclass(frozen=True)
class Remedy:
    """A change that was made and measured.

    Attributes:
        change: What was done, such as ``keep_float=['conv_1']``.
        layer: The layer that it concerns; "" for the whole network.
        snr_db: Of the outputs with it.
        gain_db: How much better that is than without.
        top1: Agreement with the float network's largest output.
        accuracy: Where there are labels.
        extra_bytes: Further bytes of constants.
    """

    change: str
    layer: str
    snr_db: float | None
    gain_db: float | None
    top1: float | None
    accuracy: float | None
    extra_bytes: int


@dataclass(frozen=True)
class Report:
    """What became of a network.

    Attributes:
        model: Its name.
        settings: What was asked for, by name.
        calibration_samples: How many chose the ranges.
        evaluation_samples: How many the figures below are of.
        evaluated_on_calibration: They are the same samples: figures are rosier than on others.
        layers: In order.
        weights_bytes: Of all constants.
        float_weights_bytes: Of the float network's; None where it is not known.
        float_vs_integer: How alike the outputs of the two networks are.
        integer_vs_device: How alike those of the interpreter and the device are, by the driver.
        accuracy: By network: ``float``, ``integer``, ``device``; where there are labels.
        costliest: Names of the three layers that cost most.
        remedies: What would give some of that back, measured.
        equalized: Layers whose output channels were evened out.
        notes: What a reader should know.
    """

    model: str
    settings: Json
    calibration_samples: int
    evaluation_samples: int
    evaluated_on_calibration: bool
    layers: tuple[LayerReport, ...]
    weights_bytes: int
    float_weights_bytes: int | None = None
    float_vs_integer: Agreement | None = None
    integer_vs_device: Agreement | None = None
    accuracy: dict[str, float] | None = None
    costliest: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    equalized: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """The report as dictionaries, lists, strings and numbers."""
        return {"format": FORMAT, **asdict(self)}

    def with_device(self, alike: Agreement, accuracy: float | None) -> Report:
        """The report with what the device gave."""
        known = dict(self.accuracy or {})
        if accuracy is not None:
            known["device"] = accuracy
        return replace(self, integer_vs_device=alike, accuracy=known or None)
