"""The rows of a report: what each layer of integers is, and what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from midge.compress.evaluate import to_real
from midge.compress.lower import Lowered
from midge.compress.measure import LayerNoise, weights_bytes
from midge.compress.report import LayerReport
from midge.compress.rules import RULES
from midge.graph import Graph, Op


def sources_of(
    graph: Graph, lowered: Lowered, noises: Mapping[str, LayerNoise]
) -> dict[str, tuple[str, ...]]:
    """The float ops that each layer stands for, the layers that add most noise first.

    Those that only move codes are left out: they add none.
    """
    writers = _writers(graph)
    names = {op.name for op in graph.ops}
    found: dict[str, tuple[str, ...]] = {}
    for op in lowered.graph.ops:
        if op.name not in noises or not op.outputs:
            continue
        sources = {op.name} & names
        if (original := lowered.stands_for[op.outputs[0]]) in writers:
            sources.add(writers[original].name)
        found[op.name] = tuple(sorted(sources))

    def own_noise(name: str) -> float:
        own = noises[name].own
        return own.error / own.signal if own is not None and own.signal > 0 else 0.0

    kinds = {op.name: op.kind for op in graph.ops}
    movers = {n for n, kind in kinds.items() if kind in RULES and RULES[kind].moves_codes}
    found = {name: sources for name, sources in found.items() if not movers.issuperset(sources)}
    ranked = sorted(found, key=lambda n: -own_noise(n))
    return {name: found[name] for name in ranked}


def layer_reports(
    lowered: Lowered,
    graph: Graph | None,
    noises: Mapping[str, LayerNoise],
    costs_db: Mapping[str, float],
    dead: Mapping[str, int] | None = None,
) -> tuple[LayerReport, ...]:
    """A row for each op with an output, in order.

    Args:
        lowered: The network.
        graph: The float network that it came from.
        noises: What was measured of its layers, by the op's name.
        costs_db: What a layer costs, by the op's name.
        dead: Output channels with one value throughout, by the op's name.
    """
    integer = lowered.graph
    writers = _writers(graph) if graph is not None else {}
    originals = {op.name: op for op in graph.ops} if graph is not None else {}
    rows = []
    for op in integer.ops:
        if not op.outputs:
            continue
        tensor = integer.tensors[op.outputs[0]]
        noise = noises.get(op.name)
        source = originals.get(op.name) or writers.get(lowered.stands_for.get(op.outputs[0], ""))
        weights = [t for t in integer.op_inputs(op)[1:2] if t is not None and t.is_constant]
        ends: tuple[float | None, float | None] = (None, None)
        quantization = tensor.quantization
        if quantization is not None:
            low, high = to_real(tensor, np.array(tensor.dtype.limits))
            ends = float(low), float(high)
        float_bytes = None
        if graph is not None and source is not None:
            float_bytes = weights_bytes(graph, [source])
        measured = noise if noise is not None and noise.elements else None
        rows.append(
            LayerReport(
                name=op.name,
                kind=source.kind if source is not None and op.kind == "lookup" else op.kind,
                shape=tensor.shape,
                dtype=tensor.dtype.value,
                weights_dtype=weights[0].dtype.value if weights else "",
                snr_db=measured.whole.snr_db if measured else None,
                own_snr_db=measured.own.snr_db if measured and measured.own else None,
                low=measured.low if measured and graph is not None else None,
                high=measured.high if measured and graph is not None else None,
                code_low=ends[0],
                code_high=ends[1],
                scale=tensor.scale if quantization is not None else None,
                zero_point=tensor.zero_point if quantization is not None else None,
                clipped=measured.clipped / measured.elements
                if measured and graph is not None and quantization is not None
                else None,
                saturated=measured.saturated / measured.elements
                if measured and quantization is not None
                else None,
                dead_channels=dead.get(op.name) if dead is not None else None,
                channels=tensor.shape[-1] if tensor.shape else 1,
                weights_bytes=weights_bytes(integer, [op]),
                float_weights_bytes=float_bytes,
                cost_db=costs_db.get(op.name),
            )
        )
    return tuple(rows)


def _writers(graph: Graph) -> dict[str, Op]:
    return {name: op for op in graph.ops for name in op.outputs}
