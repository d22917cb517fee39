"""The layers' costs as rows to print, and the figure that ranks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from midge.report.wording import familiar_names, printable, shape_text

Json = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One emitted kernel.

    Attributes:
        name: Its operator's name, whole.
        short: The part of the name that tells it from the others.
        detail: Shape, variant, and the operator's kind where the name does not say it.
        kernel: The C function.
        cost: The figure that ranks the layers; None when not known.
        computing: The part of the cost with zero wait states.
        instructions: Issued; None when not known.
        instructions_per_mac: None without instructions or without MACs.
        macs: Multiply-accumulates.
        weights_bytes: Of its constants.
        code_bytes: Of its function.
        scratch_bytes: Of the arena, for itself alone.
    """

    name: str
    short: str
    detail: str
    kernel: str
    cost: int | None
    computing: int | None
    instructions: int | None
    instructions_per_mac: float | None
    macs: int
    weights_bytes: int
    code_bytes: int
    scratch_bytes: int


@dataclass(frozen=True)
class LayerTable:
    """All rows in running order.

    Attributes:
        rows: One for each kernel.
        cost_key: ``cycles_modelled``, ``cycles`` or ``instructions``: the best figure that every
            layer has, or else the best that the whole has; None without any.
        cost_label: What that figure is called.
        total: Of the whole inference, in the same figure; None when not known.
        outside: What of the total no layer accounts for: the calls between them.
    """

    rows: tuple[Row, ...]
    cost_key: str | None
    cost_label: str
    total: int | None
    outside: int | None

    @property
    def by_layer(self) -> bool:
        """Whether the layers' own costs are known."""
        return any(row.cost is not None for row in self.rows)

    @property
    def most_cost(self) -> int:
        """Of the dearest layer, at least 1."""
        return max([row.cost or 0 for row in self.rows], default=0) or 1

    @property
    def most_per_mac(self) -> float:
        """Most instructions for a MAC in any layer, above 0."""
        return max([row.instructions_per_mac or 0.0 for row in self.rows], default=0.0) or 1.0

    @property
    def most_weights(self) -> int:
        """Of the layer with the most weights, at least 1."""
        return max([row.weights_bytes for row in self.rows], default=0) or 1


def layer_table(report: Json) -> LayerTable:
    """The table of a report; without rows where nothing was run.

    Args:
        report: The contents of report.json.
    """
    costs = report["costs"]
    if costs is None:
        return LayerTable((), None, "", None, None)
    layers = costs["layers"]
    key = _cost_key(layers) or _cost_key([costs])
    short = familiar_names(layer["name"] for layer in layers)
    rows = tuple(_row(layer, short[layer["name"]], key) for layer in layers)
    total = costs[key] if key else None
    accounted = sum(row.cost or 0 for row in rows)
    outside = total - accounted if total is not None and 0 < accounted < total else None
    label = "Instructions"
    if key == "cycles_modelled" and report["target"]["clock_hz"] is not None:
        label = "Cycles with flash"
    elif key in ("cycles", "cycles_modelled"):
        label = "Cycles, zero wait"
    return LayerTable(rows, key, label if key else "Cycles", total, outside)


def _cost_key(layers: list[Json]) -> str | None:
    for key in ("cycles_modelled", "cycles", "instructions"):
        if layers and all(layer[key] is not None for layer in layers):
            return key
    return None


def _row(layer: Json, short: str, key: str | None) -> Row:
    instructions, macs = layer["instructions"], layer["macs"]
    op, variant = printable(layer["op"]), printable(layer["variant"])
    detail = [shape_text(layer["shape"]), variant]
    if op not in short:
        detail.insert(0, op)
    return Row(
        name=printable(layer["name"]),
        short=short,
        detail=" · ".join(detail),
        kernel=printable(layer["kernel"]),
        cost=layer[key] if key else None,
        computing=layer["cycles"] if key == "cycles_modelled" else layer[key] if key else None,
        instructions=instructions,
        instructions_per_mac=instructions / macs if macs and instructions is not None else None,
        macs=macs,
        weights_bytes=layer["weights_bytes"],
        code_bytes=layer["code_bytes"],
        scratch_bytes=layer["scratch_bytes"],
    )
