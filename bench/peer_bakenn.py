"""Let bakenn 1.0.0 compile a network; runs in bakenn's own environment, not in Midge's.

``python peer_bakenn.py NETWORK VARIANT ORIGINAL OUT``: the folder of `peer_networks.write_network`,
``portable``, ``smlad`` (bakenn's own Cortex-M4 kernels) or ``cmsis_nn`` (the CMSIS-NN that it
bundles), the file as it was published, and the folder for the C and ``peer.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bakenn

# static_priority: an optimised kernel wherever one applies, portable C elsewhere.
VARIANTS = {
    "portable": ("portable", False),
    "smlad": ("static_priority", False),
    "cmsis_nn": ("static_priority", True),
}


def compile_to(source: Path, variant: str, folder: Path) -> bakenn.CompiledModel:
    """Import, compile and write the C."""
    target = bakenn.resolve_target("cortex-m4")
    policy, cmsis_nn = VARIANTS[variant]
    options = bakenn.CBackendOptions(
        kernel_policy=bakenn.KernelPolicy(policy), enable_cmsis_nn=cmsis_nn, target=target
    )
    return bakenn.compile_tflite(source, folder, name="net", backend_options=options, target=target)


def main() -> None:
    """Compile the network, and note what becomes of the file as published."""
    network, variant, original, out = sys.argv[1:]
    as_published = "taken"
    try:
        compile_to(Path(original), variant, Path(out) / "as_published")
    except bakenn.BakeNNError as error:
        as_published = f"refused: {error}"
    compiled = compile_to(Path(network) / "network.tflite", variant, Path(out) / "c")
    report = json.loads((Path(out) / "c" / "bknn_net_manifest.json").read_text("utf-8"))
    values = {"dtype": "int8", "channels_first": False}
    content = {
        "as_published": as_published,
        "include": ["bknn_net.h"],
        "call": "bknn_net_infer(scratch, (const int8_t *)in, (int8_t *)out);",
        "scratch_bytes": int(report["arena_bytes"]),
        "input": values,
        "output": values,
        "note": compiled.memory_report.to_text().splitlines()[0],
    }
    (Path(out) / "peer.json").write_text(json.dumps(content), "utf-8")


if __name__ == "__main__":
    main()
