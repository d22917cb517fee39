"""Midge: micro-sized networks, from a model file to C that runs the same on every core.

graph = midge.load("kws.tflite")
artifact = midge.compile(graph, target="cortex-m4")
result = artifact.run(samples)
"""

from midge.driver import Artifact, RunResult, compare_layers, load
from midge.driver import compile_graph as compile
from midge.errors import MidgeError, ToolError, UserError
from midge.graph import Graph
from midge.version import VERSION as __version__  # noqa: N811 - the conventional name

__all__ = [
    "Artifact",
    "Graph",
    "MidgeError",
    "RunResult",
    "ToolError",
    "UserError",
    "__version__",
    "compare_layers",
    "compile",
    "load",
]
