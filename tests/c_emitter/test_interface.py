from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from midge.c_emitter import Emitted, choose_kernels, emit_c
from midge.driver.main_path import Planned, plan_graph
from midge.driver.samples import random_sample
from midge.graph import Graph, interpret, outputs_of
from midge.passes import run_passes
from midge.toolchain import build_host_library
from support.networks import (
    Array,
    Joined,
    dense,
    imported,
    join,
    mobile_chain,
    residual_branches,
    two_by_two,
)

STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Werror", "-fvisibility=default")
OK, BAD_ARENA = 0, 1


@dataclass(frozen=True)
class OnHost:
    """A network's emitted C as a library of this machine.

    Attributes:
        planned: The graph as it runs and its plan.
        emitted: The C.
        library: The library, with ``helpers.c`` in it.
    """

    planned: Planned
    emitted: Emitted
    library: Any

    @property
    def graph(self) -> Graph:
        return self.planned.graph

    def call(self, name: str, result: Any, *arguments: Any) -> Any:
        function = getattr(self.library, f"{self.graph.name}_{name}")
        function.restype = result
        return function(*arguments)

    def arena(self) -> tuple[Any, int]:
        """An arena of exactly the size asked for, with bytes around it to see it kept."""
        size = self.planned.plan.arena_bytes
        memory = (ctypes.c_uint8 * (size + 64))(*[0xA5] * (size + 64))
        start = -ctypes.addressof(memory) % 16 + 16
        return memory, ctypes.addressof(memory) + start

    def write(self, arena: int, sample: Mapping[str, Array]) -> None:
        for index, name in enumerate(self.graph.inputs):
            content = np.ascontiguousarray(sample[name]).tobytes()
            ctypes.memmove(
                self.call("input", ctypes.c_void_p, ctypes.c_void_p(arena), index),
                content,
                len(content),
            )

    def run(self, arena: int) -> int:
        return int(self.call("run", ctypes.c_int, ctypes.c_void_p(arena), None))

    def read(self, arena: int) -> dict[str, Array]:
        outputs = {}
        for index, name in enumerate(self.graph.outputs):
            tensor = self.graph.tensors[name]
            at = self.call("output", ctypes.c_void_p, ctypes.c_void_p(arena), index)
            content = ctypes.string_at(at, tensor.size_bytes)
            outputs[name] = np.frombuffer(content, np.int8).reshape(tensor.shape)
        return outputs

    def expected(self, sample: Mapping[str, Array]) -> dict[str, Array]:
        return outputs_of(self.graph, interpret(self.graph, sample))


def on_host(graph: Graph, *, keep_input: bool = False, helpers: str = "") -> OnHost:
    """Compile a network's portable kernels for this machine."""
    lowered = run_passes(graph)
    planned = plan_graph(lowered, choose_kernels(lowered, frozenset()), keep_input=keep_input)
    emitted = emit_c(planned.graph, planned.choice, planned.plan, "0.0.0")
    sources = {**emitted.files, "helpers.c": f'#include "{graph.name}.h"\n{helpers}'}
    path = build_host_library(sources, flags=STRICT)
    return OnHost(planned, emitted, ctypes.CDLL(str(path)))


@cache
def chain() -> OnHost:
    return on_host(imported(mobile_chain(), "chain"))


def assert_equal(found: dict[str, Array], expected: dict[str, Array]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert np.array_equal(found[name], value), name


@pytest.mark.parametrize("made", [mobile_chain, residual_branches, two_by_two, dense])
def test_portable_c_runs_on_this_machine(made) -> None:  # type: ignore[no-untyped-def]
    network = on_host(imported(made(), "net"))
    memory, arena = network.arena()
    network.call("init", None, ctypes.c_void_p(arena), None)
    for seed in range(3):
        sample = random_sample(network.graph, seed)
        network.write(arena, sample)
        assert network.run(arena) == OK
        assert_equal(network.read(arena), network.expected(sample))
    size, start = network.planned.plan.arena_bytes, arena - ctypes.addressof(memory)
    around = [*memory[:start], *memory[start + size :]]
    assert set(around) == {0xA5}, "a byte beside the arena was written"


def test_arena_that_is_no_arena_is_refused_and_left_alone() -> None:
    network = chain()
    assert network.run(0) == BAD_ARENA
    memory, arena = network.arena()
    before = bytes(memory)
    for shift in (1, 2, 4, 8, 15):
        assert network.run(arena + shift) == BAD_ARENA
    assert bytes(memory) == before
    assert network.run(arena + 16) == OK


def test_inputs_and_outputs_beyond_the_last_are_null() -> None:
    network = on_host(imported(two_by_two(), "two"))
    memory, arena = network.arena()
    size = network.planned.plan.arena_bytes
    for kind, count in (("input", 2), ("output", 2)):
        for index in range(count):
            at = network.call(kind, ctypes.c_void_p, ctypes.c_void_p(arena), index)
            assert arena <= at < arena + size
        for index in (count, count + 1, 2**31, 2**32 - 1):
            at = network.call(kind, ctypes.c_void_p, ctypes.c_void_p(arena), ctypes.c_uint(index))
            assert at is None
    assert memory


def test_arenas_do_not_disturb_each_other() -> None:
    network = chain()
    samples = [random_sample(network.graph, seed) for seed in range(4)]
    arenas = [network.arena() for _ in samples]
    for sample, (_, arena) in zip(samples, arenas, strict=True):
        network.write(arena, sample)
    for _, arena in reversed(arenas):
        assert network.run(arena) == OK
    for sample, (_, arena) in zip(samples, arenas, strict=True):
        assert_equal(network.read(arena), network.expected(sample))


def test_threads_with_arenas_of_their_own_run_at_once() -> None:
    # ctypes lets go of the interpreter during a call, so the runs do overlap.
    network = chain()
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            sample = random_sample(network.graph, seed)
            expected = network.expected(sample)
            _memory, arena = network.arena()
            for _ in range(100):
                network.write(arena, sample)
                assert network.run(arena) == OK
                assert_equal(network.read(arena), expected)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_kept_inputs_are_still_there_after_a_run() -> None:
    for keep_input in (False, True):
        network = on_host(imported(mobile_chain(), "chain"), keep_input=keep_input)
        _memory, arena = network.arena()
        sample = random_sample(network.graph)
        network.write(arena, sample)
        assert network.run(arena) == OK
        first = network.read(arena)
        (name,) = network.graph.inputs
        at = network.call("input", ctypes.c_void_p, ctypes.c_void_p(arena), 0)
        content = ctypes.string_at(at, sample[name].nbytes)
        assert (content == sample[name].tobytes()) is keep_input, "and that costs memory"
        if keep_input:
            assert network.run(arena) == OK
            assert_equal(network.read(arena), first)


@cache
def many_scales() -> Joined:
    """Every scale and zero point of the single-operator networks of two operators."""
    from support.networks import single_ops

    networks = (*single_ops("ADD"), *single_ops("SOFTMAX"))
    return join([n for n in networks if {t.dtype for t in n.model.tensors} == {"int8"}], "scales")


def interesting_reals(scale: float, zero_point: int) -> Array:
    """Floats on, beside and between the steps of a scale, and those that no step is near to."""
    steps = np.arange(-300, 300.5, 0.25)
    near = (steps * np.float64(np.float32(scale))).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = [
            near,
            np.nextafter(near, np.float32(np.inf)),
            np.nextafter(near, np.float32(-np.inf)),
        ]
        generator = np.random.default_rng(zero_point & 0xFF)
        bits = generator.integers(0, 2**32, 3000, dtype=np.uint32).view(np.float32)
        extreme = [0.0, -0.0, 1e-45, -1e-45, 3.4e38, -3.4e38, np.inf, -np.inf, np.nan, -np.nan]
    return np.concatenate([*nearest, bits, np.array(extreme, np.float32)])


def quantized(reals: Array, scale: float, zero_point: int) -> Array:
    """The quotient in float32, rounded half away from zero, plus the zero point, saturated."""
    with np.errstate(all="ignore"):
        quotient = (reals.astype(np.float32) / np.float32(scale)).astype(np.float64)
    rounded = np.copysign(np.floor(np.abs(quotient) + 0.5), quotient) + zero_point
    return np.where(np.isnan(rounded), -128, np.clip(rounded, -128, 127)).astype(np.int8)


def test_helpers_between_real_and_stored_numbers_equal_numpy() -> None:
    graph = many_scales().graph
    calls = []
    for role, names in (("input", graph.inputs), ("output", graph.outputs)):
        verb, real, stored = (
            ("quantize", "const float *from", "int8_t *to")
            if role == "input"
            else ("dequantize", "const int8_t *from", "float *to")
        )
        calls += [f"void all_{verb}(unsigned index, {real}, {stored}, int count);"]
        calls += [f"void all_{verb}(unsigned index, {real}, {stored}, int count) {{"]
        calls += ["    for (int k = 0; k < count; k++) {", "        switch (index) {"]
        calls += [
            f"        case {i}: to[k] = scales_{verb}_{role}{i}(from[k]); break;"
            for i in range(len(names))
        ]
        calls += ["        default: break;", "        }", "    }", "}"]
    network = on_host(graph, helpers="\n".join([*calls, ""]))
    stored = np.arange(-128, 128, dtype=np.int8)
    seen = set()
    for index, name in enumerate(graph.inputs):
        tensor = graph.tensors[name]
        if (tensor.scale, tensor.zero_point) in seen:
            continue
        seen.add((tensor.scale, tensor.zero_point))
        reals = interesting_reals(tensor.scale, tensor.zero_point)
        found = np.zeros(reals.size, np.int8)
        pointers = (c.ctypes.data_as(ctypes.c_void_p) for c in (reals, found))
        network.library.all_quantize(index, *pointers, reals.size)
        expected = quantized(reals, tensor.scale, tensor.zero_point)
        unequal = np.flatnonzero(found != expected)
        assert not unequal.size, (tensor, reals[unequal[:5]], found[unequal[:5]])
        assert {-128, 127, tensor.zero_point} <= set(found.tolist())
    assert len(seen) >= 15
    for index, name in enumerate(graph.outputs):
        tensor = graph.tensors[name]
        back = np.zeros(stored.size, np.float32)
        pointers = (c.ctypes.data_as(ctypes.c_void_p) for c in (stored, back))
        network.library.all_dequantize(index, *pointers, stored.size)
        steps = (stored.astype(np.int32) - tensor.zero_point).astype(np.float32)
        assert np.array_equal(back, steps * np.float32(tensor.scale))


@pytest.mark.tiny
def test_header_says_what_the_network_is() -> None:
    graph = imported(two_by_two(), "two")
    planned = plan_graph(graph, choose_kernels(graph, frozenset()), keep_input=False)
    emitted = emit_c(planned.graph, planned.choice, planned.plan, "9.8.7")
    header, source = emitted.files["two.h"], emitted.files["two.c"]
    head = header.split("*/")[0]
    assert "emitted by Midge 9.8.7" in head
    assert f"sha256 {graph.digest}" in head
    assert f"arena  {planned.plan.arena_bytes} bytes" in head
    for text in (head, source.split("*/")[0]):
        assert "you may use, change and ship this file" in text
    for line in (
        f"#define TWO_ARENA_BYTES {planned.plan.arena_bytes}",
        "#define TWO_ARENA_ALIGN 16",
        "#define TWO_STATE_BYTES 0",
        "#define TWO_INPUTS 2",
        "#define TWO_OUTPUTS 2",
        "#define TWO_INPUT0_BYTES 48",
        "#define TWO_INPUT1_BYTES 3",
        "#define TWO_INPUT1_SCALE 0.0399999991f",
        "#define TWO_INPUT1_ZERO_POINT (7)",
        "void two_init(void *arena, void *state);",
        "int8_t *two_input(void *arena, unsigned index);",
        "const int8_t *two_output(const void *arena, unsigned index);",
        "enum midge_status two_run(void *arena, void *state);",
    ):
        assert line in header.splitlines()
    # Each layer names its shapes.
    assert "/* 00_add: int8 1x4x4x3, int8 1x1x1x3 -> int8 1x4x4x3; portable */" in source
