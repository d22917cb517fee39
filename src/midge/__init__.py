"""Midge: micro-sized networks, from a model file to C that runs the same on every core.

package = midge.quantize(module, calibration)       # a torch.nn.Module, or a path
graph = midge.load("kws.tflite")                    # what is quantised already
artifact = midge.compile(graph, target="cortex-m4")
result = artifact.run(samples)

`quantization_aware`, `prune` and `distill` train modules of PyTorch. `compile_application` builds a
network behind a chain of `midge.signals`: samples in, events out.
"""

from typing import TYPE_CHECKING, Any

from midge.driver import Artifact, RunResult, compare_layers, load, save
from midge.driver import compile_graph as compile
from midge.driver.application import compile_application
from midge.driver.aware import QuantizationAware, quantization_aware
from midge.driver.budget import Budget, check_budget
from midge.driver.quantize import Package, quantize
from midge.errors import MidgeError, ToolError, UserError
from midge.graph import Graph
from midge.version import VERSION as __version__  # noqa: N811 - the conventional name

if TYPE_CHECKING:
    from midge.compress import distill, distillation_loss, prune

__all__ = [
    "Artifact",
    "Budget",
    "Graph",
    "MidgeError",
    "Package",
    "QuantizationAware",
    "RunResult",
    "ToolError",
    "UserError",
    "__version__",
    "check_budget",
    "compare_layers",
    "compile",
    "compile_application",
    "distill",
    "distillation_loss",
    "load",
    "prune",
    "quantization_aware",
    "quantize",
    "save",
]


def __getattr__(name: str) -> Any:
    """What imports PyTorch, on first use.

    Raises:
        ToolError: PyTorch is not installed.
    """
    if name not in ("distill", "distillation_loss", "prune"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from midge import compress  # noqa: PLC0415 - it asks for PyTorch by itself

    return getattr(compress, name)
