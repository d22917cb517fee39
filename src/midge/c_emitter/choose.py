"""Which kernel computes which layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from midge.c_emitter.kernel import Kernel, Layer, layers_of
from midge.c_emitter.kernels import KERNELS
from midge.errors import UnsupportedError
from midge.graph import Graph

Choice = tuple[Kernel | None, ...]
"""A kernel for each layer; None for a reshape, whose output is its input's bytes."""
Measure = Callable[[Choice], Sequence[int]]
"""Build and run the graph with a choice; the cost of each layer, in cycles or instructions."""


@dataclass(frozen=True)
class Candidates:
    """What could compute a layer, from plain to fast."""

    layer: Layer
    kernels: tuple[Kernel, ...]

    @property
    def by_rule(self) -> Kernel | None:
        """The last that may be taken unmeasured; None where nothing is computed."""
        taken = [kernel for kernel in self.kernels if kernel.by_rule]
        return taken[-1] if taken else None


def candidates(graph: Graph, features: frozenset[str]) -> tuple[Candidates, ...]:
    """The kernels that apply to each layer on a core with these features.

    Raises:
        UnsupportedError: some layers have none, and all of them are named.
    """
    found, missing = [], []
    for layer in layers_of(graph):
        kind = layer.op.kind
        if kind == "reshape":
            if not layer.input(0).variable:
                found.append(Candidates(layer, ()))
                continue
            # A variable's bytes are not in the arena: they are read as they stand.
            kind = "read_variable"
        kernels = tuple(
            k
            for k in KERNELS.get(kind, ())
            if k.requires <= features and layer.input(0).dtype in k.types and k.applies(layer)
        )
        if not kernels:
            attributes = repr(layer.op.attributes)
            missing.append(f"{layer.op.name}: {attributes}")
        found.append(Candidates(layer, kernels))
    if missing:
        raise UnsupportedError(
            f"{graph.name}: no kernel computes {len(missing)} of its layers:\n  "
            + "\n  ".join(missing)
        )
    return tuple(found)


def choose_kernels(
    graph: Graph, features: frozenset[str], measure: Measure | None = None
) -> Choice:
    """A kernel for each layer.

    Args:
        graph: A verified graph.
        features: Of the core, such as ``dsp``.
        measure: When given, every candidate is measured in place: the graph is built once with
            everybody's first candidate, once with everybody's second, and so on, and each layer
            keeps its cheapest. Otherwise each layer takes the last of its candidates, which stand
            from plain to fast.

    Raises:
        UnsupportedError: a layer has no kernel.
    """
    table = candidates(graph, features)
    rounds = max((len(row.kernels) for row in table), default=0)
    fastest: Choice = tuple(row.by_rule for row in table)
    if measure is None or rounds < 2:
        return fastest
    best: list[tuple[int, Kernel | None]] = []
    for number in range(rounds):
        choice = tuple(
            row.kernels[min(number, len(row.kernels) - 1)] if row.kernels else None for row in table
        )
        costs = measure(choice)
        offers = list(zip(costs, choice, strict=True))
        # On equal cost the plainer kernel stays.
        best = (
            offers
            if not best
            else [min(a, b, key=lambda o: o[0]) for a, b in zip(best, offers, strict=True)]
        )
    return tuple(kernel for _, kernel in best)


def leanest_kernels(graph: Graph, features: frozenset[str]) -> Choice:
    """The kernel with the least scratch for each layer: what is tried where the fastest do not fit.

    Raises:
        UnsupportedError: a layer has no kernel.
    """
    return tuple(
        min(row.kernels, key=lambda kernel: kernel.scratch_bytes(row.layer), default=None)
        for row in candidates(graph, features)
    )
