"""Graph and plan -> C. The kernel table is `KERNELS`."""

from midge.c_emitter.choose import (
    Candidates,
    Choice,
    candidates,
    choose_kernels,
    leanest_kernels,
    smallest_kernels,
    sparing_kernels,
)
from midge.c_emitter.emitter import Emitted, emit_c
from midge.c_emitter.kernel import Kernel, Layer, layers_of
from midge.c_emitter.kernels import KERNELS
from midge.c_emitter.problem import planning_problem
from midge.c_emitter.state import lay_out_state

__all__ = [
    "KERNELS",
    "Candidates",
    "Choice",
    "Emitted",
    "Kernel",
    "Layer",
    "candidates",
    "choose_kernels",
    "emit_c",
    "lay_out_state",
    "layers_of",
    "leanest_kernels",
    "planning_problem",
    "smallest_kernels",
    "sparing_kernels",
]
