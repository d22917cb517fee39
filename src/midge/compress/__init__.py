"""Compression: a float network as one of integers, and what that costs.

- `quantize_graph` quantises after training; `QuantizeSettings` says how.
- `take_samples` checks what a user gives to calibrate or evaluate on.
- `inspect` looks into a quantised network.
- `prune`, `distill` and `distillation_loss` work on modules of PyTorch, which is imported when one
  of them is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from midge.compress.inspect import inspect
from midge.compress.quantize_graph import Quantized, quantize_graph
from midge.compress.report import LayerReport, Remedy, Report
from midge.compress.samples import Samples, take_samples
from midge.compress.settings import QuantizeSettings
from midge.errors import ToolError

if TYPE_CHECKING:
    from midge.compress.torch_distill import distill, distillation_loss
    from midge.compress.torch_prune import prune

_OF_TORCH = {
    "distill": "midge.compress.torch_distill",
    "distillation_loss": "midge.compress.torch_distill",
    "prune": "midge.compress.torch_prune",
}

__all__ = [
    "LayerReport",
    "QuantizeSettings",
    "Quantized",
    "Remedy",
    "Report",
    "Samples",
    "distill",
    "distillation_loss",
    "inspect",
    "prune",
    "quantize_graph",
    "take_samples",
]


def __getattr__(name: str) -> Any:
    """What needs PyTorch, imported on first use.

    Raises:
        ToolError: PyTorch is not installed.
    """
    if name not in _OF_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_OF_TORCH[name]), name)
    except ImportError:
        raise ToolError(
            f'PyTorch is not installed; expected for {name}: pip install "midge[torch]"'
        ) from None
