"""The emitted C of two small networks, so that a change of the emitter shows as a change of C.

`pytest tests/golden --update-golden` writes the files anew; read the difference first.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from midge.c_emitter import choose_kernels, emit_c
from midge.driver.main_path import plan_graph
from midge.importers import import_tflite
from midge.passes import run_passes
from midge.synthetic import random_network

FOLDER = Path(__file__).parent / "emitted"
NETWORKS = {"chain": 9, "depthwise": 14}
"""Seeds of random networks; between them they have most operators."""


@pytest.mark.tiny
@pytest.mark.parametrize("features", [(), ("dsp",)], ids=lambda f: "_".join(f) or "portable")
@pytest.mark.parametrize("name", NETWORKS)
def test_the_emitted_c_is_as_it_was(
    name: str, features: tuple[str, ...], update_golden: bool
) -> None:
    network = random_network(NETWORKS[name], max_elements=64)
    graph = run_passes(import_tflite(network.model_bytes, f"{name}.tflite"))
    choice = choose_kernels(graph, frozenset(features))
    planned = plan_graph(graph, choice, keep_input=False)
    emitted = emit_c(planned.graph, planned.choice, planned.plan, "0")
    for file, text in emitted.files.items():
        # The kernels stand in device/kernels; what the emitter makes of a network comes after them.
        own = text.partition("/* ---- layers ---- */")[2] or text
        golden = FOLDER / ("_".join(features) or "portable") / f"{file}.txt"
        if update_golden:
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_text(own, "utf-8")
        assert own == golden.read_text("utf-8"), f"{golden} differs: read it, then --update-golden"
