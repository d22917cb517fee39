"""Reports as a compilation would write them, made by hand."""

from __future__ import annotations

import copy
from typing import Any

Json = dict[str, Any]

NRF52840: Json = {
    "name": "nrf52840",
    "title": "Nordic nRF52840",
    "core": "cortex-m4",
    "isa": "armv7e-m",
    "clock_hz": 64_000_000,
    "ram_bytes": 262_144,
    "flash_bytes": 1_048_576,
}
BARE_M4: Json = NRF52840 | {
    "name": "cortex-m4",
    "title": "Arm Cortex-M4",
    "clock_hz": None,
    "ram_bytes": None,
    "flash_bytes": None,
}


def chain_report(layers: int, *, in_place: bool = False) -> Json:
    """A chain of convolutions on an nRF52840; `in_place` writes every output over its input."""
    size = 4_000
    steps = [f"{i:02d}_conv_2d" for i in range(layers)]
    names = ["input_1", *(f"net/act_{i}/Relu;net/conv_{i}/Conv2D" for i in range(layers))]
    buffers = [
        {
            "name": name,
            "offset": 0 if in_place or i % 2 == 0 else size,
            "size_bytes": size,
            "first": i,
            "last": i + 1,
            "alias_of": None,
            "role": "input" if i == 0 else "output" if i == layers else "activation",
        }
        for i, name in enumerate(names)
    ]
    top = size if in_place else 2 * size
    plan = {
        "arena_bytes": top + 64,
        "lower_bound_bytes": top + 64,
        "gap_bytes": 0,
        "live_set_bytes": 2 * size,
        "reordered": False,
        "buffers": buffers,
        "scratch": [
            {"step": s, "slot": i, "offset": top, "size_bytes": 64} for i, s in enumerate(steps, 1)
        ],
        "live": [
            {"step": None, "live_bytes": size, "scratch_bytes": 0},
            *({"step": s, "live_bytes": 2 * size, "scratch_bytes": 64} for s in steps),
            {"step": None, "live_bytes": size, "scratch_bytes": 0},
        ],
        "shared": [
            {"step": s, "input": names[i], "output": names[i + 1], "shared_bytes": size}
            for i, s in enumerate(steps)
            if in_place
        ],
    }
    return _report(plan, [_layer(s, 1 + i % 7) for i, s in enumerate(steps)])


def branching_report() -> Json:
    """A residual block, a flattening that is only another name, and a lower bound not reached."""
    rows: list[tuple[str, int, int, int, int, str | None]] = [
        # name, offset, size, first slot, last slot, alias of
        ("serving_default_input:0", 4_096, 3_072, 0, 1, None),
        ("res/relu/Relu", 0, 4_096, 1, 4, None),
        ("res/relu_1/Relu;res/bn_1/Fused", 4_096, 4_096, 2, 3, None),
        ("res/bn_2/Fused", 8_192, 4_096, 3, 4, None),
        ("res/add/Add", 8_192, 4_096, 4, 5, None),
        ("res/pool/AvgPool", 0, 64, 5, 7, None),
        ("res/flatten/Reshape", 0, 64, 5, 7, "res/pool/AvgPool"),
        ("Identity", 64, 10, 7, 8, None),
    ]
    steps = [
        ("00_conv_2d", 4_096 + 3_072, 128),
        ("01_conv_2d", 8_192, 512),
        ("02_conv_2d", 12_288, 512),
        ("03_add", 12_288 + 4_096, 0),
        ("04_average_pool_2d", 4_160, 0),
        ("05_reshape", 64, 0),
        ("06_fully_connected", 74, 32),
    ]
    roles = {"serving_default_input:0": "input", "Identity": "output"}
    plan = {
        "arena_bytes": 12_800,
        "lower_bound_bytes": 12_000,
        "gap_bytes": 800,
        "live_set_bytes": 16_384,
        "reordered": True,
        "buffers": [
            {
                "name": name,
                "offset": offset,
                "size_bytes": size,
                "first": first,
                "last": last,
                "alias_of": alias,
                "role": roles.get(name, "activation"),
            }
            for name, offset, size, first, last, alias in rows
        ],
        "scratch": [
            {"step": name, "slot": slot, "offset": 12_288 if scratch > 32 else 256}
            | {"size_bytes": scratch}
            for slot, (name, _, scratch) in enumerate(steps, 1)
            if scratch
        ],
        "live": [
            {"step": None, "live_bytes": 3_072, "scratch_bytes": 0},
            *({"step": n, "live_bytes": live, "scratch_bytes": s} for n, live, s in steps),
            {"step": None, "live_bytes": 10, "scratch_bytes": 0},
        ],
        "shared": [
            {
                "step": "03_add",
                "input": "res/bn_2/Fused",
                "output": "res/add/Add",
                "shared_bytes": 4_096,
            }
        ],
    }
    layers = [_layer(name, 3) for name, _, _ in steps if name != "05_reshape"]
    for layer in layers:
        if "add" in layer["name"] or "pool" in layer["name"]:
            layer |= {"op": layer["name"][3:], "macs": 0, "weights_bytes": 0, "variant": "portable"}
    return _report(plan, layers)


def every_sample() -> dict[str, Json]:
    """By name: small and large, with and without everything that can be null."""
    bare = chain_report(3) | {"target": BARE_M4}
    for key in ("latency_ms", "energy_uj"):
        bare["costs"][key] = None
    for counted in (bare["costs"], *bare["costs"]["layers"]):
        counted["cycles_modelled"] = counted["cycles"]
    return {
        "one layer": chain_report(1),
        "one layer in place": chain_report(1, in_place=True),
        "branches": branching_report(),
        "sixty layers": chain_report(60),
        "sixty layers in place": chain_report(60, in_place=True),
        "bare core": bare,
        "not emulated": not_emulated(),
        "no cycle model": without_cycles(branching_report()),
        "no wait states": without_wait_states(branching_report()),
        "nothing counted": without_counts(branching_report()),
        "not counted by layer": without_layer_counts(branching_report()),
    }


def not_emulated() -> Json:
    """For a core that nothing here runs."""
    target = NRF52840 | {"core": "xtensa-lx7", "isa": "xtensa-lx7", "title": "ESP32-S3"}
    return branching_report() | {"costs": None, "compiler": None, "target": target}


def without_cycles(report: Json) -> Json:
    """As on a core without a cycle model."""
    report = copy.deepcopy(report)
    for counted in (report["costs"], *report["costs"]["layers"]):
        counted |= {"cycles": None, "cycles_modelled": None}
    report["costs"] |= {"latency_ms": None, "energy_uj": None}
    return report


def without_wait_states(report: Json) -> Json:
    """As on a board whose flash is not described."""
    report = copy.deepcopy(report)
    for counted in (report["costs"], *report["costs"]["layers"]):
        counted["cycles_modelled"] = None
    for key in ("latency_ms", "energy_uj"):
        report["costs"][key][1] = None
    return report


def without_counts(report: Json) -> Json:
    """As after a run that only looked at outputs."""
    report = without_cycles(report)
    for counted in (report["costs"], *report["costs"]["layers"]):
        counted["instructions"] = None
    return report


def without_layer_counts(report: Json) -> Json:
    """As from an emulator that counts only the whole."""
    report = copy.deepcopy(report)
    for layer in report["costs"]["layers"]:
        layer |= {"instructions": None, "cycles": None, "cycles_modelled": None}
    return report


def _layer(name: str, weight: int) -> Json:
    return {
        "name": name,
        "op": "conv_2d",
        "shape": [1, 25, 5, 32],
        "kernel": "midge_conv_2d_s8_dsp",
        "variant": "dsp",
        "instructions": 100_003 * weight,
        "cycles": 130_007 * weight,
        "cycles_modelled": 151_009 * weight,
        "macs": 64_000,
        "scratch_bytes": 64,
        "code_bytes": 976,
        "weights_bytes": 1_152 * weight,
    }


def _report(plan: Json, layers: list[Json]) -> Json:
    total = {
        key: sum(layer[key] for layer in layers)
        for key in ("instructions", "cycles", "cycles_modelled", "macs", "weights_bytes")
    }
    cycles = total["cycles"] + 70, total["cycles_modelled"] + 70
    tensor = {"dtype": "int8", "scale": 0.00390625, "zero_point": -128}
    buffers = plan["buffers"]
    return {
        "midge": "0.1.0",
        "model": {
            "name": "sample_model",
            "digest": "aeea436800704fce17b17292e4412630ad856e9d777c044c64ef748a880bd0ae",
            "inputs": [tensor | {"name": buffers[0]["name"], "shape": [1, 50, 80]}],
            "outputs": [tensor | {"name": buffers[-1]["name"], "shape": [1, 12]}],
            "macs": total["macs"],
            "constants_bytes": total["weights_bytes"] - 100,
            "ops": len(plan["live"]) - 2,
        },
        "target": NRF52840,
        "compiler": "zig cc 0.17.1 (clang 22.1.8)",
        "optimisation": "-O2",
        "costs": {
            "target": "nrf52840",
            "emulator": "unicorn",
            "compiler": "zig cc 0.17.1 (clang 22.1.8)",
            "samples": 1,
            "instructions": total["instructions"] + 54,
            "cycles": cycles[0],
            "cycles_modelled": cycles[1],
            "macs": total["macs"],
            "ram_bytes": {
                "arena": plan["arena_bytes"],
                "state": 0,
                "static": 0,
                "stack_peak": 128,
                "stack_bound": 168,
                "total": plan["arena_bytes"] + 128,
            },
            "flash_bytes": {
                "code": 10_306,
                "weights": total["weights_bytes"],
                "total": 10_306 + total["weights_bytes"],
            },
            "latency_ms": [round(c / 64_000, 6) for c in cycles],
            "energy_uj": [round(c * 154.6875e-6, 6) for c in cycles],
            "layers": layers,
        },
        "memory_plan": plan,
    }
