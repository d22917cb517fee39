"""How the kernels were chosen, as rows to print: limits, and what each other kernel would cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from midge.report.wording import (
    NOT_KNOWN,
    byte_count,
    decimal,
    familiar_names,
    percent,
    printable,
)

Json = dict[str, Any]

GOALS = {
    "balanced": "the fewest {unit} of moderate size",
    "speed": "the fewest {unit}",
    "ram": "a small arena, then the fewest {unit}",
    "flash": "small code and weights, then the fewest {unit}",
}
"""What each goal means, in words."""


@dataclass(frozen=True)
class Limit:
    """One limit and how much of it is used.

    Attributes:
        what: ``weights``, ``code``, ``flash`` or ``arena``.
        text: Used and allowed.
        holds: The one is not above the other.
        used: Bytes.
        limit: Bytes.
    """

    what: str
    text: str
    holds: bool
    used: int
    limit: int


@dataclass(frozen=True)
class Offered:
    """One kernel that a layer could have.

    Attributes:
        variant: Its name.
        kernel: The C function.
        taken: It is the one.
        cost: In the choice's unit; None where its program could not be linked.
        ratio: The cost in multiples of the taken one's, such as ``1.31 ×``; empty for that.
        flash_bytes: Its weights and code, shared functions in full; None as the cost.
        weights_bytes: None as the cost.
        code_bytes: With shared functions; None as the cost.
        scratch_bytes: Of the arena.
    """

    variant: str
    kernel: str
    taken: bool
    cost: int | None
    ratio: str
    flash_bytes: int | None
    weights_bytes: int | None
    code_bytes: int | None
    scratch_bytes: int


@dataclass(frozen=True)
class Layer:
    """What one layer was offered.

    Attributes:
        name: Whole.
        short: The part that tells it from the others.
        offers: From plain to fast.
    """

    name: str
    short: str
    offers: tuple[Offered, ...]

    @property
    def taken(self) -> Offered:
        """What it got."""
        return next(offer for offer in self.offers if offer.taken)


@dataclass(frozen=True)
class KernelChoice:
    """Everything to say of a choice.

    Attributes:
        goal: Its name.
        meaning: What it asks for, in words.
        unit: ``cycles`` or ``instructions``.
        limits: Goal's and board's.
        layers: Those that compute something.
    """

    goal: str
    meaning: str
    unit: str
    limits: tuple[Limit, ...]
    layers: tuple[Layer, ...]


def kernel_choice(report: Json) -> KernelChoice | None:
    """The choice of a report; None where kernels were chosen by rule.

    Args:
        report: The contents of report.json.
    """
    selection = report.get("selection")
    if selection is None:
        return None
    goal, unit = selection["goal"], printable(selection["unit"])
    layers = selection["layers"]
    short = familiar_names(layer["name"] for layer in layers)
    return KernelChoice(
        goal=printable(goal),
        meaning=GOALS.get(goal, "{unit}").format(unit=unit),
        unit=unit,
        limits=tuple(_limit(limit) for limit in selection["limits"]),
        layers=tuple(
            Layer(printable(layer["name"]), short[layer["name"]], _offers(layer))
            for layer in layers
        ),
    )


def others_in_words(layer: Layer, most: int = 3) -> str:
    """The other kernels that come nearest: ``dsp 1.31 ×, -512 B; ...``; empty without any.

    Args:
        layer: Whose.
        most: How many are named; the number of the rest is said.
    """
    others = sorted(
        (offer for offer in layer.offers if not offer.taken),
        key=lambda offer: (offer.cost is None, offer.cost or 0),
    )
    parts = [_other(offer, layer.taken) for offer in others[:most]]
    if len(others) > most:
        parts.append(f"{len(others) - most} more")
    return "; ".join(parts)


def _other(offer: Offered, taken: Offered) -> str:
    if offer.cost is None or offer.flash_bytes is None:
        return f"{offer.variant} {NOT_KNOWN}"
    more = offer.flash_bytes - (taken.flash_bytes or 0)
    sign = "+" if more > 0 else "-" if more < 0 else "±"
    return f"{offer.variant} {offer.ratio}, {sign}{byte_count(abs(more))}"


def _limit(limit: Json) -> Limit:
    used, most = limit["used_bytes"], limit["limit_bytes"]
    holds = used <= most
    text = f"{byte_count(used)} of {byte_count(most)} ({percent(used, most)})"
    return Limit(printable(limit["what"]), text, holds, used, most)


def _offers(layer: Json) -> tuple[Offered, ...]:
    kernels, taken = layer["kernels"], layer["taken"]
    best = kernels[taken]["cost"]
    return tuple(
        Offered(
            variant=printable(kernel["variant"]),
            kernel=printable(kernel["kernel"]),
            taken=number == taken,
            cost=kernel["cost"],
            ratio=_ratio(kernel["cost"], best) if number != taken else "",
            flash_bytes=_sum(kernel, "weights_bytes", "code_bytes", "shared_code_bytes"),
            weights_bytes=kernel["weights_bytes"],
            code_bytes=_sum(kernel, "code_bytes", "shared_code_bytes"),
            scratch_bytes=kernel["scratch_bytes"],
        )
        for number, kernel in enumerate(kernels)
    )


def _ratio(cost: int | None, best: int | None) -> str:
    return f"{decimal(cost / best)} ×" if cost is not None and best else NOT_KNOWN


def _sum(kernel: Json, *keys: str) -> int | None:
    amounts = [kernel[key] for key in keys]
    return None if None in amounts else sum(amounts)
