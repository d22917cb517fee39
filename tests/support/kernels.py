"""Networks compiled with kernels that a test names, whatever the rule would take."""

from __future__ import annotations

from midge.c_emitter.choose import candidates
from midge.driver import Artifact
from midge.driver.realise import realise
from midge.driver.settings import Settings
from midge.graph import Graph, verify
from midge.passes import run_passes
from midge.virtual_mcu import target


def compile_with(variant: str, graph: Graph, core: str) -> Artifact:
    """Compile a graph with the kernels of one variant; a layer that has none takes its plainest.

    Args:
        variant: Such as ``portable`` or ``dsp``.
        graph: From an importer.
        core: The target.
    """
    settings = Settings(target(core))
    lowered = run_passes(verify(graph))
    choice = []
    for row in candidates(lowered, settings.target.core.features):
        found = [kernel for kernel in row.kernels if kernel.variant == variant]
        choice.append((found or [*row.kernels, None])[0])
    return realise(lowered, tuple(choice), settings)
