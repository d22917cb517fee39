"""Which kernel computes which layer."""

from __future__ import annotations

from dataclasses import dataclass

from midge.c_emitter.kernel import Kernel, Layer, Places, layers_of
from midge.c_emitter.kernels import KERNELS
from midge.errors import UnsupportedError
from midge.graph import Graph

LITTLE_SCRATCH_BYTES = 2048

Choice = tuple[Kernel | None, ...]
"""A kernel for each layer; None for a reshape, whose output is its input's bytes."""


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
            if k.requires <= features
            and not k.excludes & features
            and layer.input(0).dtype in k.types
            and k.applies(layer)
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


def choose_kernels(graph: Graph, features: frozenset[str]) -> Choice:
    """The kernel for each layer that is the fastest by rule: the last that may be taken unmeasured.

    Args:
        graph: A verified graph.
        features: Of the core, such as ``dsp``.

    Raises:
        UnsupportedError: a layer has no kernel.
    """
    return tuple(row.by_rule for row in candidates(graph, features))


def leanest_kernels(graph: Graph, features: frozenset[str]) -> Choice:
    """The kernel with the least scratch for each layer: what is tried where the fastest do not fit.

    Raises:
        UnsupportedError: a layer has no kernel.
    """
    return tuple(
        min(row.kernels, key=lambda kernel: kernel.scratch_bytes(row.layer), default=None)
        for row in candidates(graph, features)
    )


def sparing_kernels(graph: Graph, features: frozenset[str]) -> Choice:
    """The fastest by rule of those with little scratch; where there is none, the leanest.

    For layers that run row by row: what they keep is small, so scratch soon is most of the arena.

    Raises:
        UnsupportedError: a layer has no kernel.
    """
    chosen: list[Kernel | None] = []
    for row in candidates(graph, features):
        sizes = {kernel: kernel.scratch_bytes(row.layer) for kernel in row.kernels}
        little = [k for k, size in sizes.items() if k.by_rule and size <= LITTLE_SCRATCH_BYTES]
        chosen.append(little[-1] if little else min(sizes, key=sizes.__getitem__, default=None))
    return tuple(chosen)


def smallest_kernels(graph: Graph, features: frozenset[str]) -> Choice:
    """The kernel with the fewest bytes of constants for each layer; of equal ones the last.

    Raises:
        UnsupportedError: a layer has no kernel.
    """
    return tuple(
        min(
            [k for k in reversed(row.kernels) if k.by_rule or k.spares_flash],
            key=lambda kernel: _constant_bytes(kernel, row.layer),
            default=None,
        )
        for row in candidates(graph, features)
    )


def _constant_bytes(kernel: Kernel, layer: Layer) -> int:
    places = Places(
        tuple("NULL" for _ in layer.inputs),
        tuple("NULL" for _ in layer.outputs),
        "NULL",
        lambda suffix: suffix,
    )
    return sum(constant.values.nbytes for constant in kernel.call(layer, places).constants)
