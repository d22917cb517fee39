"""What the passes took out of a network, for its report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from midge.graph import Graph


@dataclass(frozen=True)
class ThinnerLayer:
    """A layer that has lost output channels.

    Attributes:
        name: Of the operator.
        channels_before: Its output channels in the network as it was.
        channels_after: Those that are computed.
    """

    name: str
    channels_before: int
    channels_after: int


@dataclass(frozen=True)
class RemovedWork:
    """The difference between a network and what of it is computed.

    Attributes:
        channels: Output channels that are not computed any more, summed over all layers that stay.
        macs: Multiply-accumulates of one inference that are not done any more.
        constant_bytes: Bytes of constants that are not stored any more; negative where some were
            added.
        layers: Those that have lost channels, in running order.
    """

    channels: int
    macs: int
    constant_bytes: int
    layers: tuple[ThinnerLayer, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def removed_work(before: Graph, after: Graph) -> RemovedWork:
    """Compare a graph with what passes made of it; operators keep their names.

    Args:
        before: As it was loaded.
        after: As `run_passes` gave it, in any order of operators.
    """
    stood = {op.name: before.op_outputs(op) for op in before.ops}
    layers = []
    for op in after.ops:
        for old, new in zip(stood.get(op.name, ()), after.op_outputs(op), strict=False):
            if old.shape[:-1] == new.shape[:-1] and old.shape[-1:] > new.shape[-1:]:
                layers.append(ThinnerLayer(op.name, old.shape[-1], new.shape[-1]))
    return RemovedWork(
        channels=sum(layer.channels_before - layer.channels_after for layer in layers),
        macs=before.macs() - after.macs(),
        constant_bytes=before.constant_bytes() - after.constant_bytes(),
        layers=tuple(layers),
    )
