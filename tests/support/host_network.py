"""A graph's emitted C, compiled for this machine and run: for inputs that no microcontroller holds.

Undefined behaviour traps, which ends the process.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from midge.c_emitter import choose_kernels, emit_c
from midge.graph import Graph, verify
from midge.memory_plan import Plan, Problem, plan_memory
from midge.toolchain import build_host_library
from midge.version import VERSION

Array = NDArray[np.generic]
_FLAGS = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")


def side_by_side(graph: Graph) -> Plan:
    """Bytes of its own for every tensor; no layer has scratch."""
    offsets: dict[str, int] = {}
    end = 0
    for tensor in graph.tensors.values():
        if tensor.is_computed:
            offsets[tensor.name] = end
            end += -(-tensor.size_bytes // 8) * 8
    empty = plan_memory(Problem((), (), (), ()))
    order = tuple(range(len(graph.ops)))
    return replace(empty, order=order, offsets=offsets, arena_bytes=end)


def run_on_host(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """One run with the kernels of a core without extensions; the outputs by name."""
    choice = choose_kernels(verify(graph), frozenset())
    plan = side_by_side(graph)
    emitted = emit_c(graph, choice, plan, VERSION)
    path = build_host_library(emitted.files, flags=_FLAGS, sanitizers=("undefined",))
    library = ctypes.CDLL(str(path))
    functions = {
        step: getattr(library, f"{graph.name}_{step}")
        for step in ("init", "input", "output", "run")
    }
    for step in ("input", "output"):
        functions[step].restype = ctypes.c_void_p
    room = (ctypes.c_uint8 * (plan.arena_bytes + 16))()
    arena = ctypes.c_void_p(-(-ctypes.addressof(room) // 16) * 16)
    functions["init"](arena, None)
    for index, name in enumerate(graph.inputs):
        data = np.ascontiguousarray(inputs[name], graph.tensors[name].dtype.numpy)
        ctypes.memmove(functions["input"](arena, index), data.ctypes.data, data.nbytes)
    assert functions["run"](arena, None) == 0
    outputs = {}
    for index, name in enumerate(graph.outputs):
        tensor = graph.tensors[name]
        data = np.empty(tensor.shape, tensor.dtype.numpy)
        ctypes.memmove(data.ctypes.data, functions["output"](arena, index), data.nbytes)
        outputs[name] = data
    return outputs
