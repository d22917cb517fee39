"""The contents of ``report.json``: all that is known of a compiled network, as plain data."""

from __future__ import annotations

from typing import Any

from midge.c_emitter import lay_out_state
from midge.driver.artifact import Artifact
from midge.driver.run_result import RunResult
from midge.graph import Tensor
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
        "costs": result.costs() if result else None,
        "memory_plan": plan_of(artifact),
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
                "size_bytes": graph.tensors[name].size_bytes,
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


def _tensor(tensor: Tensor) -> dict[str, Any]:
    quantized = tensor.quantization is not None
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype.value,
        "scale": tensor.scale if quantized else None,
        "zero_point": tensor.zero_point if quantized else None,
    }
