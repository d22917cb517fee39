"""int4 weights on cores with the DSP extension: their words, the proof of their sums, every bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from unicorn import unicorn_const
from unicorn.arm_const import UC_ARM_REG_PC

from midge.c_emitter import KERNELS, Kernel, choose_kernels, layers_of, weighted
from midge.driver import Artifact, compile_graph
from midge.graph import (
    Array,
    Attributes,
    DType,
    Graph,
    Quantization,
    Rounding,
    Tensor,
    interpret,
    outputs_of,
    verify,
)
from midge.graph.accumulate import worst_sum
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.importers.graph_builder import GraphBuilder
from support.effort import sample_of
from support.layer_bench import Bench, build_layers
from support.tools import EACH_COMPILER

(CONV,) = (k for k in KERNELS["conv_2d"] if k.variant == "int4_dsp")
(DENSE,) = (k for k in KERNELS["fully_connected"] if k.variant == "int4_dsp")
KERNEL_OF = {"conv_2d": CONV, "fully_connected": DENSE}
ROUNDINGS = (Rounding.TFLITE_DOUBLE, Rounding.SINGLE, Rounding.HALF_EVEN)
CHANNELS = (*range(1, 10), 15, 16, 17, 21, 32, 39, 48)
SUM_OF_A_BLOCK = 4095
BENCHES = (
    *(("cortex-m4", "zig"), ("cortex-m4", "gcc"), ("cortex-m33", "gcc")),
    *(("cortex-m33", "zig"), ("cortex-m7", "zig"), ("cortex-m7", "gcc")),
)
"""Of which every other one is taken: each core, and each compiler."""


def weights_of(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    if kind == "ends":
        return rng.choice(np.int8([-8, 7]), shape)
    low, high = {"lowest": (-8, -8), "highest": (7, 7), "any": (-8, 7)}[kind]
    return rng.integers(low, high + 1, shape).astype(np.int8)


def add_layer(
    b: GraphBuilder,
    attributes: Attributes,
    shape: tuple[int, ...],
    weights: Array,
    *,
    x_zero: int = 0,
    y_zero: int = 0,
    gain: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """A layer with an input of its own; with a gain over 1 its largest sums leave int8."""
    number = len(b.ops)
    rng = np.random.default_rng(number)
    outputs = weights.shape[0]
    x = b.add(Tensor(f"x{number}", shape, DType.INT8, Quantization.per_tensor(1.0, x_zero)))
    scales = rng.uniform(0.5, 1.5, outputs).astype(np.float32)
    quantization = Quantization(scales, np.zeros(outputs, np.int64), 0)
    w = b.add(Tensor("w", weights.shape, DType.INT4, quantization, weights))
    bias = rng.integers(-300, 301, outputs).astype(np.int32)
    scale = worst_sum(x, w, None, 0) / (128 * gain)
    to = Quantization.per_tensor(max(scale, 0.5), y_zero)
    y = b.one(f"y{number}", attributes, (x, w, b.constant("b", bias)), quantization=to)
    return x, y


def _numbers(index: int) -> dict[str, Any]:
    kind = ("lowest", "highest", "ends", "any")[index % 4]
    zeros = ((0, 0), (-128, 127), (127, -128), (5, -3), (-128, -128))[index % 5]
    gain = (1.0, 8.0, 100.0)[index // 2 % 3]
    return {"kind": kind, "x_zero": zeros[0], "y_zero": zeros[1], "gain": gain}


def _shapes() -> Iterator[tuple[Attributes, tuple[int, ...], tuple[int, ...]]]:
    """Attributes, the input's shape and the weights'."""
    for channels in CHANNELS:
        outputs = channels % 5 + 1
        yield Conv2D(), (1, 3, 3, channels), (outputs, 1, 1, channels)
        yield FullyConnected(), (1 + channels % 2, channels), (outputs, channels)
    yield Conv2D(), (1, 1, 1, 16), (1, 1, 1, 16)
    yield Conv2D(), (2, 3, 1, 12), (6, 1, 1, 12)
    yield Conv2D(stride=(2, 2)), (1, 5, 6, 8), (7, 1, 1, 8)
    yield Conv2D(stride=(3, 1)), (2, 4, 3, 3), (2, 1, 1, 3)
    yield Conv2D(pad_before=(1, 1), pad_after=(1, 1)), (1, 3, 2, 4), (3, 1, 1, 4)
    yield Conv2D(pad_before=(1, 1), pad_after=(1, 1)), (1, 4, 3, 5), (3, 3, 3, 5)
    yield Conv2D(dilation=(2, 1)), (1, 6, 4, 4), (4, 3, 2, 4)


def _long_sums() -> Iterator[tuple[Attributes, tuple[int, ...], Array]]:
    """Sums at the bound of a block, over it, and over it again and again."""
    at_bound = np.full((2, 585), 7, np.int8)
    over = np.full((2, 512), -8, np.int8)
    far_over = np.full((3, 1000), -8, np.int8)
    whole_blocks = weights_of("ends", (2, 1024), np.random.default_rng(0))
    for rows in (at_bound, over, far_over, whole_blocks):
        outputs, taps = rows.shape
        yield FullyConnected(), (1, taps), rows
        yield Conv2D(), (1, 1, 3, taps), rows.reshape(outputs, 1, 1, taps)


@cache
def extreme_graph() -> Graph:
    """Every layer beside the others."""
    b = GraphBuilder()
    ends = []
    for index, (attributes, shape, weights_shape) in enumerate(_shapes()):
        numbers = _numbers(index)
        weights = weights_of(numbers.pop("kind"), weights_shape, np.random.default_rng(index))
        rounded = replace(attributes, rounding=ROUNDINGS[index % 3])
        ends.append(add_layer(b, rounded, shape, weights, **numbers))
    ends += [add_layer(b, *layer) for layer in _long_sums()]
    return verify(b.graph("extremes", *(list(t) for t in zip(*ends, strict=True))))


def chosen(graph: Graph) -> tuple[Kernel, ...]:
    return tuple(KERNEL_OF[op.kind] for op in graph.ops)


def samples_of(graph: Graph) -> list[dict[str, Array]]:
    rng = np.random.default_rng(1)
    shapes = {name: graph.tensors[name].shape for name in graph.inputs}
    filled = [{n: np.full(s, value, np.int8) for n, s in shapes.items()} for value in (-128, 127)]
    drawn = [
        {n: rng.choice(np.int8([-128, 127]), s) for n, s in shapes.items()},
        {n: rng.integers(-128, 128, s).astype(np.int8) for n, s in shapes.items()},
    ]
    return filled + drawn


def unequal_layers(artifact: Artifact) -> dict[str, tuple[Array, Array]]:
    """What device and interpreter give where they differ, by the name of the output."""
    graph = artifact.graph
    samples = samples_of(graph)
    runs = artifact.open_machine().run([artifact.to_bytes(s) for s in samples])
    wrong = {}
    for sample, run in zip(samples, runs, strict=True):
        device = artifact.from_bytes(run.outputs)
        for name, expected in outputs_of(graph, interpret(graph, sample)).items():
            if not np.array_equal(device[name], expected):
                wrong[name] = (device[name], expected)
    return wrong


@pytest.mark.parametrize(("core", "cc"), sample_of(BENCHES, 3))
def test_kernels_equal_the_interpreter_at_the_extremes(core: str, cc: str) -> None:
    graph = extreme_graph()
    artifact = build_layers(graph, chosen(graph), Bench(core, cc))
    assert artifact.built.static_bytes == 0
    assert not unequal_layers(artifact)


@pytest.mark.parametrize("cc", EACH_COMPILER)
@pytest.mark.parametrize("level", ["-O0", "-Os"])
def test_tiles_find_their_registers_at_every_level(level: str, cc: str) -> None:
    # A tile holds twelve; without optimisation compilers keep more of the others for themselves.
    b = GraphBuilder()
    rng = np.random.default_rng(3)
    ends = [
        add_layer(b, Conv2D(), (1, 3, 3, 9), weights_of("any", (3, 1, 1, 9), rng)),
        add_layer(b, FullyConnected(), (2, 16), weights_of("any", (5, 16), rng)),
    ]
    graph = verify(b.graph("levels", *(list(t) for t in zip(*ends, strict=True))))
    artifact = compile_graph(graph, target="cortex-m4", cc=cc, optimisation=level)
    assert set(artifact.choice) == {CONV, DENSE}
    assert not unequal_layers(artifact)


def test_extremes_meet_saturation_and_what_lies_between() -> None:
    graph = extreme_graph()
    sample = samples_of(graph)[3]
    values = list(outputs_of(graph, interpret(graph, sample)).values())
    everything = np.concatenate([v.reshape(-1) for v in values])
    assert {-128, 127} <= set(everything.tolist())
    assert np.unique(everything).size > 100
    # Where a sum is cut into blocks, too: neither end hides a wrong one.
    for value in values[-8:]:
        assert value.min() > -128
        assert value.max() < 127


def test_sums_of_one_block_are_caught_when_they_wrap(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without blocks the longest sums of the extremes leave int32; a test that passes then sees nothing.
    monkeypatch.setattr(weighted, "_INT4_BLOCK_SUM", 1 << 30)
    graph = extreme_graph()
    wrong = unequal_layers(build_layers(graph, chosen(graph), Bench("cortex-m4")))
    assert len(wrong) >= 2
    assert set(wrong) <= {op.outputs[0] for op in graph.ops[-8:]}


def test_best_kernel_of_a_core_with_dsp_is_taken() -> None:
    graph = extreme_graph()
    assert choose_kernels(graph, frozenset({"dsp"})) == chosen(graph)
    plain = {k.variant for k in choose_kernels(graph, frozenset()) if k is not None}
    assert plain == {"int4", "zero"}


def test_weights_with_a_zero_point_are_left_to_the_portable_kernel() -> None:
    b = GraphBuilder()
    x, y = add_layer(b, FullyConnected(), (1, 8), np.full((4, 8), 3, np.int8))
    shifted = replace(b.tensors["w"], quantization=Quantization.per_tensor(1.0, 2))
    b.tensors["w"] = shifted
    (layer,) = layers_of(verify(b.graph("g", [x], [y])))
    assert not DENSE.applies(layer)


# ---- words ----


def as_the_kernel_unpacks(words: Array) -> Array:
    """Pairs of halves of each word in the order of the kernels' tiles: [words, 4, 2]."""
    shifted = [(words << np.uint32(4 * k)) & np.uint32(0xF000F000) for k in range(4)]
    return np.stack(shifted, axis=1).astype("<u4").view("<i2").reshape(-1, 4, 2)


@pytest.mark.parametrize(("outputs", "taps"), [(1, 1), (2, 8), (3, 13), (5, 16), (4, 9)])
def test_words_unpack_to_weights_times_4096(outputs: int, taps: int) -> None:
    rng = np.random.default_rng(taps)
    rows = rng.integers(-8, 8, (outputs, taps)).astype(np.int8)
    words = weighted.interleaved_int4_pairs(rows)
    pairs, groups = (outputs + 1) // 2, (taps + 7) // 8
    assert words.shape == (pairs * groups * 2,)
    halves = as_the_kernel_unpacks(words).reshape(pairs, groups, 2, 8)
    assert not (halves % 4096).any()
    # Activations are widened in the order 0 2 | 1 3 of every four bytes.
    order = [0, 2, 1, 3, 4, 6, 5, 7]
    found = np.zeros((pairs * 2, groups * 8), np.int16)
    for k, tap in enumerate(order):
        found[:, tap::8] = (halves[..., k] // 4096).transpose(0, 2, 1).reshape(pairs * 2, groups)
    assert np.array_equal(found[:outputs, :taps], rows)
    found[:outputs, :taps] = 0
    assert not found.any(), "what fills up the words is zero"


def test_block_holds_every_sum_within_int32() -> None:
    def reach(magnitude: int) -> int:
        return magnitude * 128 * 4096

    assert reach(SUM_OF_A_BLOCK) < 2**31 <= reach(SUM_OF_A_BLOCK + 1)
    for rows in (np.full((1, 585), 7), np.full((3, 8), -8), np.eye(600, dtype=int) * -8):
        stored = rows.astype(np.int8)
        assert weighted.int4_block(stored) == -(-rows.shape[1] // 8) * 8
        assert np.abs(rows).sum(axis=1).max() <= SUM_OF_A_BLOCK
    for rows in (np.full((1, 586), 7), np.full((2, 512), -8)):
        block = weighted.int4_block(rows.astype(np.int8))
        assert block % 16 == 0
        assert block * 8 <= SUM_OF_A_BLOCK


# ---- what is read ----


def read_ranges(artifact: Artifact) -> dict[int, tuple[int, int]]:
    """The lowest and one past the highest address that each instruction of the program reads."""
    machine: Any = artifact.open_machine()
    engine = machine._engine
    found: dict[int, tuple[int, int]] = {}

    def on_read(uc: Any, _kind: int, address: int, size: int, _value: int, _data: object) -> None:
        counter = uc.reg_read(UC_ARM_REG_PC)
        low, high = found.get(counter, (address, address))
        found[counter] = min(low, address), max(high, address + size)

    engine._uc.hook_add(unicorn_const.UC_HOOK_MEM_READ, on_read)
    machine.run([artifact.to_bytes(samples_of(artifact.graph)[0])])
    return found


@pytest.mark.parametrize(
    ("attributes", "shape", "weights_shape"),
    [
        (Conv2D(), (1, 3, 3, 7), (3, 1, 1, 7)),
        (Conv2D(), (1, 3, 3, 12), (2, 1, 1, 12)),
        (Conv2D(stride=(2, 2)), (1, 5, 3, 16), (5, 1, 1, 16)),
        (FullyConnected(), (3, 7), (3, 7)),
        (FullyConnected(), (1, 21), (2, 21)),
    ],
)
def test_no_instruction_reads_past_its_array(
    attributes: Attributes, shape: tuple[int, ...], weights_shape: tuple[int, ...]
) -> None:
    b = GraphBuilder()
    weights = weights_of("any", weights_shape, np.random.default_rng(0))
    x, y = add_layer(b, attributes, shape, weights)
    graph = verify(b.graph("g", [x], [y]))
    artifact = build_layers(graph, chosen(graph), Bench("cortex-m4"), lambda *_: None)
    program, plan = artifact.built, artifact.plan
    arena = program.symbol("midge_port_arena").address
    layer = layers_of(graph)[0]
    arrays = {
        symbol.name: (symbol.address, symbol.address + symbol.size)
        for symbol in program.symbols
        if symbol.size and symbol.address < arena
    }
    arrays["x"] = (arena + plan.offsets[x.name], arena + plan.offsets[x.name] + x.size_bytes)
    (start,) = plan.scratch_offsets.values()
    scratch_bytes = KERNEL_OF[graph.ops[0].kind].scratch_bytes(layer)
    arrays["scratch"] = (arena + start, arena + start + scratch_bytes)
    arrays["stack"] = tuple(
        program.symbol(f"midge_port_stack_{end}").address for end in ("bottom", "top")
    )
    read = set()
    for low, high in read_ranges(artifact).values():
        inside = {n for n, (first, end) in arrays.items() if first <= low and high <= end}
        assert inside, f"{low:#x} to {high:#x} lies in no array"
        read |= inside
    assert {"x", "scratch"} <= read
    assert sum(name.endswith("weights") for name in read) == 1
