"""The main path and what comes of it."""

from midge.driver.artifact import Artifact
from midge.driver.compare_layers import Comparison, Difference, compare_layers
from midge.driver.main_path import compile_graph, load, save
from midge.driver.run_result import FlashBytes, LayerCost, RamBytes, RunResult

__all__ = [
    "Artifact",
    "Comparison",
    "Difference",
    "FlashBytes",
    "LayerCost",
    "RamBytes",
    "RunResult",
    "compare_layers",
    "compile_graph",
    "load",
    "save",
]
