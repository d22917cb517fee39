"""The contents of ``report.json``: all that is known of a compiled network, as plain data."""

from __future__ import annotations

from typing import Any

from midge.c_emitter import lay_out_state
from midge.c_emitter.problem import FRAME_BYTES
from midge.driver.artifact import Artifact
from midge.driver.run_result import RunResult
from midge.driver.selected import Priced
from midge.graph import Graph, Tensor
from midge.version import VERSION


def report_of(artifact: Artifact, result: RunResult | None) -> dict[str, Any]:
    """Model, target, costs and memory plan.

    Args:
        artifact: A compiled network.
        result: A run of it; None where nothing emulates the target.
    """
    graph, target = artifact.graph, artifact.settings.target
    program = artifact.program
    return {
        "midge": VERSION,
        "model": {
            "name": graph.name,
            "digest": graph.digest,
            "inputs": [_tensor(graph.tensors[n]) for n in graph.inputs],
            "outputs": [_tensor(graph.tensors[n]) for n in graph.outputs],
            "macs": graph.macs(),
            "constants_bytes": graph.constant_bytes(),
            "ops": len(graph.ops),
            "state_bytes": lay_out_state(graph).size_bytes,
            "variables": [_tensor(t) for t in graph.variables],
        },
        "target": {
            "name": target.name,
            "title": target.title,
            "core": target.core.name,
            "isa": target.core.isa,
            "clock_hz": target.clock_hz,
            "ram_bytes": target.ram_bytes,
            "flash_bytes": target.flash_bytes,
        },
        "compiler": program.compiler if program else None,
        "optimisation": artifact.settings.optimisation,
        "feed_rows": artifact.settings.feed_rows,
        "optimize": artifact.settings.optimize,
        "selection": selection_of(artifact),
        "costs": result.costs() if result else None,
        "memory_plan": plan_of(artifact),
    }


def selection_of(artifact: Artifact) -> dict[str, Any] | None:
    """The limits, and what each kernel would have cost; None where none was measured."""
    selection = artifact.selection
    if selection is None:
        return None
    limits, flash = selection.limits, artifact.flash_bytes
    return {
        "goal": artifact.settings.optimize,
        "unit": selection.unit,
        "limits": [
            {"what": what, "limit_bytes": limit, "used_bytes": used}
            for what, limit, used in (
                ("weights", limits.weights_bytes, flash.weights),
                ("code", limits.code_bytes, flash.code),
                ("flash", limits.flash_bytes, flash.total),
                ("arena", limits.arena_bytes, artifact.plan.arena_bytes),
            )
            if limit is not None
        ],
        "rows": rows_of(artifact),
        "layers": [
            {
                "name": row.layer,
                "taken": row.taken,
                "kernels": [_offer(row, number) for number in range(len(row.variants))],
            }
            for row in selection.rows
            if row.variants
        ],
    }


def rows_of(artifact: Artifact) -> list[dict[str, Any]]:
    """Groups of layers that run row by row, with the sum of their layers' costs as a whole."""
    ops = artifact.graph.ops
    priced = {row.layer: row for row in (artifact.selection.rows if artifact.selection else ())}
    found = []
    for group in artifact.groups:
        names = [op.name for op in ops[group.first : group.last + 1]]
        costs = [priced[name].cost for name in names if name in priced]
        known = [cost for cost in costs if cost is not None]
        found.append(
            {
                "layers": names,
                "cost_as_a_whole": sum(known) if len(known) == len(names) else None,
            }
        )
    return found


def _offer(row: Priced, number: int) -> dict[str, Any]:
    """One kernel of a layer; its costs are None where its program could not be linked."""
    offer = row.offers[number]
    return {
        "variant": row.variants[number],
        "kernel": row.functions[number],
        "cost": offer and offer.cycles,
        "weights_bytes": offer and offer.weights_bytes,
        "code_bytes": offer and offer.code_bytes,
        "shared_code_bytes": offer and sum(size for _, size in offer.shared),
        "scratch_bytes": row.scratch_bytes[number],
    }


def plan_of(artifact: Artifact) -> dict[str, Any]:
    """Where every tensor stands, and when."""
    plan, graph = artifact.plan, artifact.graph
    roles = dict.fromkeys(graph.outputs, "output") | dict.fromkeys(graph.inputs, "input")
    slots = {slot.step: number for number, slot in enumerate(plan.live) if slot.step}
    scratch_bytes = {slot.step: slot.scratch_bytes for slot in plan.live if slot.step}
    return {
        "arena_bytes": plan.arena_bytes,
        "lower_bound_bytes": plan.lower_bound_bytes,
        "gap_bytes": plan.gap_bytes,
        "live_set_bytes": plan.live_set_bytes,
        "reordered": plan.reordered,
        "buffers": [
            {
                "name": name,
                "offset": offset,
                "size_bytes": buffer_bytes(graph, name),
                "first": plan.lifetimes[name].first,
                "last": plan.lifetimes[name].last,
                "alias_of": plan.aliases.get(name),
                "role": roles.get(name, "activation"),
            }
            for name, offset in sorted(
                plan.offsets.items(), key=lambda item: (plan.lifetimes[item[0]].first, item)
            )
        ],
        "scratch": [
            {"step": s, "slot": slots[s], "offset": o, "size_bytes": scratch_bytes[s]}
            for s, o in plan.scratch_offsets.items()
        ],
        "live": [
            {"step": s.step, "live_bytes": s.live_bytes, "scratch_bytes": s.scratch_bytes}
            for s in plan.live
        ],
        "shared": [
            {
                "step": s.step,
                "input": s.input,
                "output": s.output,
                "shared_bytes": s.shared_bytes,
            }
            for s in plan.shared
        ],
    }


def buffer_bytes(graph: Graph, name: str) -> int:
    """Of what the plan has a place for: a tensor, or what a network that is fed keeps."""
    return graph.tensors[name].size_bytes if name in graph.tensors else FRAME_BYTES


def _tensor(tensor: Tensor) -> dict[str, Any]:
    quantized = tensor.quantization is not None
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype.value,
        "scale": tensor.scale if quantized else None,
        "zero_point": tensor.zero_point if quantized else None,
    }
