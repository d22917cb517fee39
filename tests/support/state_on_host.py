"""A network with state, its emitted C run on this machine: many streams, each with its state."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from midge.c_emitter import choose_kernels, emit_c, lay_out_state
from midge.driver.main_path import Planned, plan_graph
from midge.graph import Graph, initial_state, interpret, outputs_of, state_after
from midge.passes import run_passes
from midge.toolchain import build_host_library
from support.networks import Array

OK, BAD_ARENA, BAD_STATE = 0, 1, 2
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Werror", "-fvisibility=default")
_GUARD = 0xA5


class Memory:
    """Bytes at an address aligned to 16, with others around them that nobody may write."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._all = (ctypes.c_uint8 * (size_bytes + 64))(*[_GUARD] * (size_bytes + 64))
        self._start = 16 - ctypes.addressof(self._all) % 16 + 16
        self.address = ctypes.addressof(self._all) + self._start

    @property
    def content(self) -> bytes:
        """What stands in it."""
        return bytes(self._all)[self._start : self._start + self.size_bytes]

    def is_alone(self) -> bool:
        """Whether the bytes around it are as they were."""
        end = self._start + self.size_bytes
        around = bytes(self._all)[: self._start] + bytes(self._all)[end:]
        return set(around) == {_GUARD}


@dataclass(frozen=True)
class OnHost:
    """A network's portable C as a library of this machine.

    Attributes:
        planned: The graph as it runs and its plan.
        library: The library.
    """

    planned: Planned
    library: Any

    @property
    def graph(self) -> Graph:
        """The graph as it runs."""
        return self.planned.graph

    def call(self, name: str, result: Any, *arguments: Any) -> Any:
        """Call ``<name of the graph>_<name>``."""
        function = getattr(self.library, f"{self.graph.name}_{name}")
        function.restype = result
        return function(*(ctypes.c_void_p(a) if a != 0 else None for a in arguments))

    def new_arena(self) -> Memory:
        """An arena of exactly the size asked for."""
        return Memory(self.planned.plan.arena_bytes)

    def new_state(self) -> Memory:
        """A state of exactly the size asked for, not yet set."""
        return Memory(lay_out_state(self.graph).size_bytes)

    def init(self, arena: int, state: int) -> None:
        """``init``, on addresses; 0 is NULL."""
        self.call("init", None, arena, state)

    def reset(self, state: int) -> None:
        """``reset``, likewise."""
        self.call("reset", None, state)

    def run(self, arena: int, state: int) -> int:
        """``run``, likewise; its status."""
        return int(self.call("run", ctypes.c_int, arena, state))

    def infer(self, arena: Memory, state: Memory, sample: Mapping[str, Array]) -> list[Array]:
        """Write the inputs, run, and read the outputs."""
        for index, name in enumerate(self.graph.inputs):
            content = np.ascontiguousarray(sample[name]).tobytes()
            ctypes.memmove(self._end("input", arena, index), content, len(content))
        status = self.run(arena.address, state.address)
        assert status == OK, status
        outputs = []
        for index, name in enumerate(self.graph.outputs):
            tensor = self.graph.tensors[name]
            content = ctypes.string_at(self._end("output", arena, index), tensor.size_bytes)
            outputs.append(np.frombuffer(content, tensor.dtype.numpy).reshape(tensor.shape))
        return outputs

    def _end(self, role: str, arena: Memory, index: int) -> int:
        function = getattr(self.library, f"{self.graph.name}_{role}")
        function.restype = ctypes.c_void_p
        return int(function(ctypes.c_void_p(arena.address), ctypes.c_uint(index)))


class Stream:
    """What the interpreter says of a stream, step by step."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.state = initial_state(graph)

    def next(self, sample: Mapping[str, Array]) -> list[Array]:
        """The outputs of the next step."""
        values = interpret(self._graph, sample, self.state)
        self.state = state_after(self._graph, values)
        return list(outputs_of(self._graph, values).values())


def on_host(graph: Graph) -> OnHost:
    """Compile a network's portable kernels for this machine."""
    lowered = run_passes(graph)
    planned = plan_graph(lowered, choose_kernels(lowered, frozenset()), keep_input=False)
    emitted = emit_c(planned.graph, planned.choice, planned.plan, "0.0.0")
    return OnHost(planned, ctypes.CDLL(str(build_host_library(emitted.files, flags=STRICT))))
