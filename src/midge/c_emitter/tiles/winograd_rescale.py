"""Rescaling of sums that Winograd's scale has lifted already."""

from __future__ import annotations

import numpy as np

from midge.c_emitter.tiles.rescale import LARGEST_SHIFT, Form, Rescale, Sums, plan_rescale


class MaskedRescale(Rescale):
    """Corrected, with a lift of each channel's own, so that the shift is one for all.

    What a negative sum loses, 2**(lift - 1), is a third word, masked by the sum's sign.
    """

    @property
    def words_a_channel(self) -> int:
        """Multiplier, addend, and what a negative sum is given."""
        return 3

    def words(self, channel: int) -> list[int]:
        """The same."""
        return [*super().words(channel), -(1 << (int(self.lift[channel]) - 1))]

    @property
    def key(self) -> str:
        """Lifts are not part of the instructions."""
        return super().key.replace(f"l{int(self.lift[0])}", "m", 1)

    def lines(self, total: str, words: tuple[str, ...], temporary: str) -> list[str]:
        """One instruction fewer than with a shift in a register."""
        lines = super().lines(total, words, temporary)
        lines[:2] = [
            f"and {temporary}, {words[2]}, {total}, asr #31",
            f"add {temporary}, {temporary}, {words[1]}",
        ]
        return lines


def plan_lifted(sums: Sums, least_lift: int) -> Rescale | None:
    """How to rescale sums that arrive lifted by at least so many bits; None where no form is exact.

    Args:
        sums: Of the layer.
        least_lift: Of all channels, at least 2.
    """
    plain = plan_rescale(sums, least_lift)
    if plain is None or plain.form is not Form.CORRECTED or plain.uniform:
        return plain
    n = sums.right
    shift = int(n.max()) + least_lift - 1
    lift = shift + 1 - n
    if (lift > sums.greatest_lift).any() or shift > LARGEST_SHIFT:
        return plain
    one = np.int64(1)
    addend = (one << (n + lift - 2)) + (one << (lift - 2)) + (np.int64(sums.y_zero) << shift)
    return MaskedRescale(
        Form.CORRECTED,
        lift,
        plain.multiplier,
        addend,
        np.full_like(n, shift),
        True,
        plain.low,
        plain.high,
    )
