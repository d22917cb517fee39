"""`<name>_feed_row`: a network whose input stands nowhere, and comes row by row."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest

from midge.c_emitter import choose_kernels, lay_out_state, leanest_kernels
from midge.c_emitter.streaming_choice import choose_groups
from midge.driver.samples import random_sample
from midge.errors import UserError
from midge.graph import (
    Array,
    Graph,
    Op,
    initial_state,
    interpret,
    outputs_of,
    state_after,
    verify,
)
from midge.graph.ops.add import Add
from midge.graph.ops.variable import AssignVariable, ReadVariable
from midge.importers import import_tflite
from midge.passes import run_passes
from midge.toolchain import build_host_library
from support.networks import dense, imported, mobile_chain, residual_branches
from support.shared_data import mlperf_tiny_golden, mlperf_tiny_model, needs_mlperf_tiny
from support.streaming_bench import build_streamed, unequal_outputs, write_streamed
from support.streaming_networks import Images, random_images
from support.tools import EACH_COMPILER, QEMU

OK, BAD_ARENA, BAD_STATE, MORE_ROWS, NOT_BEGUN = range(5)
_FLAGS = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")


class Fed:
    """A network that is fed on this machine; undefined behaviour ends the process."""

    def __init__(self, graph: Graph) -> None:
        choice = choose_kernels(verify(graph), frozenset())
        grouping = choose_groups(graph, choice, frozenset(), fed=True)
        written = write_streamed(graph, choice, grouping.groups)
        self.graph, self.plan, self.emitted = written.graph, written.plan, written.emitted
        path = build_host_library(self.emitted.files, flags=_FLAGS, sanitizers=("undefined",))
        self._library = ctypes.CDLL(str(path))
        self._room = (ctypes.c_uint8 * (self.plan.arena_bytes + 16))()
        ctypes.memset(self._room, 0xA5, len(self._room))
        self.arena = -(-ctypes.addressof(self._room) // 16) * 16
        size = lay_out_state(self.graph).size_bytes
        self._kept = (ctypes.c_uint8 * (size + 16))()
        self.state = -(-ctypes.addressof(self._kept) // 16) * 16 if size else None

    def call(self, function: str, *arguments: object) -> int:
        called = getattr(self._library, f"{self.graph.name}_{function}")
        called.restype = ctypes.c_int
        return int(called(*(ctypes.c_void_p(a) if isinstance(a, int) else a for a in arguments)))

    def rows(self, sample: dict[str, Array]) -> list[bytes]:
        image = np.ascontiguousarray(sample[self.graph.inputs[0]])
        return [image[0, row].tobytes() for row in range(image.shape[1])]

    def feed(self, row: bytes) -> int:
        # One byte on: a row may stand anywhere.
        held = ctypes.create_string_buffer(b"\0" + row)
        return self.call("feed_row", self.arena, self.state, ctypes.addressof(held) + 1)

    def outputs(self) -> list[bytes]:
        output = getattr(self._library, f"{self.graph.name}_output")
        output.restype = ctypes.c_void_p
        sizes = [self.graph.tensors[n].size_bytes for n in self.graph.outputs]
        arena = ctypes.c_void_p(self.arena)
        return [ctypes.string_at(output(arena, i), size) for i, size in enumerate(sizes)]

    def expected(self, sample: dict[str, Array]) -> list[bytes]:
        return [v.tobytes() for v in outputs_of(self.graph, interpret(self.graph, sample)).values()]


@pytest.mark.parametrize("made", [mobile_chain, residual_branches], ids=lambda m: m.__name__)
def test_frames_follow_one_another(made) -> None:  # type: ignore[no-untyped-def]
    fed = Fed(run_passes(imported(made())))
    fed.call("init", fed.arena, None)
    for seed in range(3):
        sample = random_sample(fed.graph, seed)
        *rows, last = fed.rows(sample)
        assert [fed.feed(row) for row in rows] == [MORE_ROWS] * len(rows)
        assert fed.feed(last) == OK
        assert fed.outputs() == fed.expected(sample)


def test_an_abandoned_frame_leaves_nothing_behind() -> None:
    fed = Fed(run_passes(imported(mobile_chain())))
    first, second = (random_sample(fed.graph, seed) for seed in (1, 2))
    for begin in (("begin_frame", fed.arena), ("init", fed.arena, None)):
        fed.call("init", fed.arena, None)
        for row in fed.rows(first)[:-1]:
            assert fed.feed(row) == MORE_ROWS
        fed.call(*begin)
        *rows, last = fed.rows(second)
        assert {fed.feed(row) for row in rows} == {MORE_ROWS}
        assert fed.feed(last) == OK
        assert fed.outputs() == fed.expected(second)


def remembering() -> Graph:
    """A convolution whose outputs are added up from frame to frame."""
    images = Images(np.random.default_rng(5))
    x = images.image((1, 6, 5, 2))
    while (y := images.weighted(x, depthwise=False)) is None:
        pass
    zeros = np.full(y.shape, y.zero_point, np.int8)
    v = images.add(replace(y, name="v", data=zeros, variable=True))
    old = images.op(ReadVariable(), [v], like=y)
    total = images.op(Add(), [y, old], like=y)
    images.ops.append(Op("assign", AssignVariable(), (v.name, total.name), ()))
    return verify(Graph("net", images.tensors, tuple(images.ops), (x.name,), (total.name,)))


def test_a_state_is_touched_with_the_last_row_alone() -> None:
    fed = Fed(remembering())
    assert fed.state is not None
    fed.call("init", fed.arena, fed.state)
    state = initial_state(fed.graph)
    for seed in range(3):
        sample = random_sample(fed.graph, seed)
        *rows, last = fed.rows(sample)
        assert {fed.feed(row) for row in rows} == {MORE_ROWS}
        fed.call("begin_frame", fed.arena)
        before = bytes(fed._kept)
        assert {fed.feed(row) for row in rows} == {MORE_ROWS}
        assert bytes(fed._kept) == before
        assert fed.feed(last) == OK
        values = interpret(fed.graph, sample, state)
        state = state_after(fed.graph, values)
        assert fed.outputs() == [v.tobytes() for v in outputs_of(fed.graph, values).values()]
    held = ctypes.create_string_buffer(rows[0])
    for refused in (None, fed.state + 4):
        assert fed.call("feed_row", fed.arena, refused, ctypes.addressof(held)) == BAD_STATE


def test_an_arena_without_a_frame_is_refused() -> None:
    fed = Fed(run_passes(imported(mobile_chain())))
    row = fed.rows(random_sample(fed.graph, 0))[0]
    before = bytes(fed._room)
    assert fed.feed(row) == NOT_BEGUN
    held = ctypes.create_string_buffer(row)
    for arena in (None, fed.arena + 4):
        assert fed.call("feed_row", arena, None, ctypes.addressof(held)) == BAD_ARENA
        fed.call("begin_frame", arena)
    assert bytes(fed._room) == before, "what is refused is not written to"
    fed.call("init", fed.arena, None)
    assert fed.feed(row) == MORE_ROWS
    # Somebody else used the arena.
    ctypes.memset(fed.arena, 0, fed.plan.arena_bytes)
    assert fed.feed(row) == NOT_BEGUN


def test_the_header_offers_rows_and_no_input() -> None:
    fed = Fed(run_passes(imported(mobile_chain())))
    header = fed.emitted.files[f"{fed.graph.name}.h"]
    source = fed.graph.tensors[fed.graph.inputs[0]]
    assert f"#define NET_ROWS {source.shape[1]}\n" in header
    assert f"#define NET_ROW_BYTES {source.size_bytes // source.shape[1]}\n" in header
    assert "net_feed_row(void *arena, void *state, const int8_t *row);" in header
    assert "net_input(" not in header
    assert "net_run(" not in header
    # Nothing but the group has run before the last row.
    assert fed.plan.order[0] == 0


@pytest.mark.parametrize("seed", range(500, 512))
def test_random_networks_are_fed(seed: int) -> None:
    graph = random_images(seed, layers=3 + seed % 5)
    try:
        fed = Fed(graph)
    except UserError:
        pytest.skip("its first layers do not run row by row")
    fed.call("init", fed.arena, None)
    sample = random_sample(graph, seed)
    *rows, last = fed.rows(sample)
    assert [fed.feed(row) for row in rows] == [MORE_ROWS] * len(rows)
    assert fed.feed(last) == OK
    assert fed.outputs() == fed.expected(sample)


def test_an_input_without_rows_is_refused() -> None:
    graph = run_passes(imported(dense()))
    choice = choose_kernels(graph, frozenset())
    with pytest.raises(UserError, match=r"net: the input cannot be handed in row by row: found "):
        choose_groups(graph, choice, frozenset(), fed=True)


ARENAS = {"vww01_mnv1_025_int8": 15_000, "ic01_resnet8_int8": 17_000, "kws01_dscnn_int8": 5_200}
"""More than these networks need when they are fed; their inputs alone have 27,648, 3,072 and 490."""


@needs_mlperf_tiny
@pytest.mark.parametrize("cc", EACH_COMPILER)
@pytest.mark.parametrize("name", ARENAS)
def test_golden_samples_row_by_row(name: str, cc: str) -> None:
    golden = mlperf_tiny_golden(name)
    graph = run_passes(import_tflite(mlperf_tiny_model(name), f"{name}.tflite"))
    features = frozenset({"dsp"})
    choice = leanest_kernels(graph, features)
    grouping = choose_groups(graph, choice, features, fed=True)
    streamed = build_streamed(graph, choice, grouping.groups, "cortex-m4", cc)
    assert streamed.plan.arena_bytes <= ARENAS[name]
    samples = [{graph.inputs[0]: golden["inputs"][i][None]} for i in range(2)]
    assert not unequal_outputs(streamed, samples, QEMU if cc == "gcc" else "unicorn")
    for sample, output in zip(samples, golden["outputs"], strict=False):
        (value,) = outputs_of(graph, interpret(graph, sample)).values()
        assert np.array_equal(value[0], output)
