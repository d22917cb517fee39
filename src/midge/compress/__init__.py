"""Compression: a float network as one of integers, and what that costs.

- `quantize_graph` quantises after training; `QuantizeSettings` says how.
- `take_samples` checks what a user gives to calibrate or evaluate on.
- `inspect` looks into a quantised network; `render_text` prints either report.
"""

from midge.compress.inspect import inspect
from midge.compress.quantize_graph import Quantized, quantize_graph
from midge.compress.report import LayerReport, Remedy, Report
from midge.compress.samples import Samples, take_samples
from midge.compress.settings import QuantizeSettings
from midge.compress.text import render_text

__all__ = [
    "LayerReport",
    "QuantizeSettings",
    "Quantized",
    "Remedy",
    "Report",
    "Samples",
    "inspect",
    "quantize_graph",
    "render_text",
    "take_samples",
]
