"""Midge: micro-sized networks, from a model file to C that runs the same on every core.

package = midge.quantize(module, calibration)       # a torch.nn.Module, or a path
graph = midge.load("kws.tflite")                    # what is quantised already
artifact = midge.compile(graph, target="cortex-m4")
result = artifact.run(samples)
"""

from midge.driver import Artifact, RunResult, compare_layers, load, save
from midge.driver import compile_graph as compile
from midge.driver.budget import Budget, check_budget
from midge.driver.quantize import Package, quantize
from midge.errors import MidgeError, ToolError, UserError
from midge.graph import Graph
from midge.version import VERSION as __version__  # noqa: N811 - the conventional name

__all__ = [
    "Artifact",
    "Budget",
    "Graph",
    "MidgeError",
    "Package",
    "RunResult",
    "ToolError",
    "UserError",
    "__version__",
    "check_budget",
    "compare_layers",
    "compile",
    "load",
    "quantize",
    "save",
]
