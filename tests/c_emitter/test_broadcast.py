"""The loops of operators that broadcast, how near their operands may stand, and which they refuse."""

from __future__ import annotations

import re

import numpy as np
import pytest

import midge
from midge.c_emitter import KERNELS, Kernel, Layer, choose_kernels, layers_of
from midge.c_emitter.amalgamate import kernel_text
from midge.c_emitter.broadcast import (
    BroadcastKernel,
    attributes_of,
    broadcast_strides,
    elementwise_distance,
)
from midge.c_emitter.kernel import Places
from midge.c_emitter.kernels import add, add_n, comparison, plain_arithmetic, products
from midge.c_emitter.kernels.add import AddPortable
from midge.c_emitter.kernels.plain_arithmetic import ArithmeticInt32
from midge.errors import UnsupportedError
from midge.graph import (
    Attributes,
    DType,
    Graph,
    Op,
    Rounding,
    Tensor,
    interpret,
    outputs_of,
    verify,
)
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.add_n import AddN
from midge.graph.ops.comparison import Less
from midge.graph.ops.div import Div
from midge.graph.ops.floor_division import FloorDiv, FloorMod
from midge.graph.ops.mul import Mul
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.select import Select
from midge.graph.types import Quantization
from midge.importers import import_tflite
from midge.synthetic import SyntheticNetwork
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.steps.elementwise_binary_cases import CASES
from support.tools import GCC

F32, I8, BOOL = DType.FLOAT32, DType.INT8, DType.BOOL


def tensor(name: str, *shape: int, dtype: DType = F32) -> Tensor:
    quantization = Quantization.per_tensor(0.5, 3) if dtype in (I8, DType.INT16) else None
    return Tensor(name, shape, dtype, quantization)


def layer(attributes: Attributes, inputs: tuple[Tensor, ...], y: Tensor) -> Layer:
    names = tuple(t.name for t in inputs)
    tensors = {t.name: t for t in (*inputs, y)}
    op = Op("the_op", attributes, names, (y.name,))
    computed = tuple(n for n in dict.fromkeys(names) if tensors[n].is_computed)
    (found,) = layers_of(verify(Graph("g", tensors, (op,), computed, (y.name,))))
    return found


@pytest.mark.parametrize(
    ("shape", "operands", "extent", "strides"),
    [
        ((2, 3, 4), ((2, 3, 4), (2, 3, 4)), [24], [[1], [1]]),
        ((2, 3, 4), ((2, 3, 4), (4,)), [6, 4], [[4, 1], [0, 1]]),
        ((2, 3, 4), ((2, 3, 4), ()), [24], [[1], [0]]),
        ((2, 3, 4), ((3, 1), (2, 1, 4)), [2, 3, 4], [[0, 1, 0], [4, 0, 1]]),
        ((1, 1, 1), ((1, 1, 1), (1,)), [], [[], []]),
        ((), ((), ()), [], [[], []]),
        # Dimensions of 1 are passed over; those over which both stand still cannot be.
        ((5, 1, 6), ((5, 1, 6), (5, 1, 1)), [5, 6], [[6, 1], [1, 0]]),
        ((2, 3, 4, 5), ((1, 1, 4, 5), (2, 3, 4, 5)), [6, 20], [[0, 1], [20, 1]]),
        ((4, 6), ((4, 6), (4, 6), (1, 6)), [4, 6], [[6, 1], [6, 1], [0, 1]]),
    ],
)
def test_neighbours_that_behave_alike_are_merged(
    shape: tuple[int, ...],
    operands: tuple[tuple[int, ...], ...],
    extent: list[int],
    strides: list[list[int]],
) -> None:
    assert broadcast_strides(shape, operands) == (extent, strides)


def rank(dimensions: int) -> Layer:
    """A sum of so many dimensions of which no two can be merged."""
    halves = [tuple(2 if d % 2 == side else 1 for d in range(dimensions)) for side in (0, 1)]
    inputs = tuple(tensor(name, *shape) for name, shape in zip("ab", halves, strict=True))
    return layer(Add(), inputs, tensor("y", *(2,) * dimensions))


def test_up_to_six_dimensions_after_merging() -> None:
    assert any(k.applies(rank(6)) for k in KERNELS["add"] if F32 in k.types)
    seven = rank(7)
    assert not any(k.applies(seven) for k in KERNELS["add"] if F32 in k.types)
    tensors = {t.name: t for t in (seven.input(0), seven.input(1), seven.output)}
    graph = Graph("g", tensors, (seven.op,), ("a", "b"), ("y",))
    with pytest.raises(UnsupportedError, match="no kernel computes 1 of its layers"):
        choose_kernels(graph, frozenset())
    eight = layer(Sub(), (tensor("a", *(2,) * 8), tensor("b", 2)), tensor("y", *(2,) * 8))
    assert any(k.applies(eight) for k in KERNELS["sub"] if F32 in k.types)


@pytest.mark.parametrize(
    ("x", "y", "distance"),
    [
        (tensor("x", 3, 4), tensor("y", 3, 4), 0),
        (tensor("x", 1, 4), tensor("y", 3, 4), None),
        # Four bytes are read for each that is written, and the other way round.
        (tensor("x", 5), tensor("y", 5, dtype=BOOL), -3),
        (tensor("x", 5, dtype=BOOL), tensor("y", 5), 12),
        (tensor("x", 5, dtype=BOOL), tensor("y", 5, dtype=I8), 0),
        (tensor("x", 1, dtype=BOOL), tensor("y", 1), 3),
        (tensor("x", 1), tensor("y", 1, dtype=BOOL), 0),
    ],
)
def test_distances(x: Tensor, y: Tensor, distance: int | None) -> None:
    found = Layer(0, Op("o", Add(), ("x",), ("y",)), (x,), (y,))
    assert elementwise_distance(found, 0) == distance
    if distance is None:
        return
    # With the input so far behind the output no byte is overwritten that is still to be read.
    read, written = x.dtype.size_bits // 8, y.dtype.size_bits // 8
    for k in range(x.size - 1):
        assert (k + 1) * written <= distance + (k + 1) * read


@pytest.mark.parametrize("rounding", [Rounding.HALF_EVEN, Rounding.TFLITE_16X8])
def test_roundings_without_a_kernel(rounding: Rounding) -> None:
    pair, y = (tensor("a", 3, dtype=I8), tensor("b", 3, dtype=I8)), tensor("y", 3, dtype=I8)
    for attributes in (
        Add(rounding=rounding),
        Mul(rounding=rounding),
        Prelu(rounding=rounding),
        AddN(rounding=rounding),
    ):
        found = layer(attributes, pair, y)
        taken = any(k.applies(found) for k in KERNELS[attributes.kind] if I8 in k.types)
        assert taken == (attributes == Mul(rounding=Rounding.HALF_EVEN))
    less = layer(Less(rounding=rounding), pair, tensor("y", 3, dtype=BOOL))
    assert not any(k.applies(less) for k in KERNELS["less"] if I8 in k.types)


def test_a_kernel_says_what_it_takes() -> None:
    found = layer(Add(), (tensor("a", 3), tensor("b", 3)), tensor("y", 3))
    with pytest.raises(TypeError, match="the_op is a add"):
        attributes_of(found, Mul)
    places = Places(("a", "b"), ("y",), "NULL", lambda suffix: suffix)
    with pytest.raises(NotImplementedError):
        BroadcastKernel().fields(found, places)
    assert ArithmeticInt32().overlap(found, 1) == 0


def test_select_has_a_kernel_for_each_type() -> None:
    for dtype in (I8, DType.INT16, F32):
        choice = tensor("a", 3, dtype=dtype), tensor("b", 3, dtype=dtype)
        y = tensor("y", 3, dtype=dtype)
        found = layer(Select(), (tensor("c", 3, dtype=BOOL), *choice), y)
        assert sum(k.applies(found) for k in KERNELS["select"]) == 1


def test_sums_within_int32_are_doubled_where_that_fits() -> None:
    def narrow(zero_point: int) -> list[object]:
        quantizations = [Quantization.per_tensor(0.5, zero_point), Quantization.per_tensor(0.1, 0)]
        a, b, y = (Tensor(n, (3,), DType.INT16, quantizations[n == "b"]) for n in "aby")
        found = layer(Add(), (a, b), y)
        places = Places(("a", "b"), ("y",), "NULL", lambda suffix: suffix)
        fields, _ = AddPortable(DType.INT16).fields(found, places)
        return [fields[name]["narrow"] for name in ("b", "result")]  # type: ignore[index]

    assert narrow(0) == [True, True]
    assert narrow(1) == [True, False]


MODULES = (add, add_n, comparison, plain_arithmetic, products)
FAMILY = [kernel for module in MODULES for kernel in module.KERNELS]


def struct_fields(kernel: Kernel, struct: str) -> set[str]:
    """The names of a struct's fields, read in the kernel's header and what it includes."""
    (body,) = re.findall(
        rf"struct {struct} \{{\n(.*?)\n\}};", kernel_text([kernel.source]), re.DOTALL
    )
    declared = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
    return set(re.findall(r"\b(\w+)(?:\[\w+\])*[,;]", declared))


def test_calls_set_every_field_of_their_struct() -> None:
    met = set()
    for name, build in CASES:
        builder = NetworkBuilder(seed=1)
        output = build(builder)
        assert isinstance(output, str)
        network = SyntheticNetwork(name, builder.build([output]))
        (found,) = layers_of(import_tflite(network.model_bytes, "net.tflite"))
        places = Places(("x",) * len(found.inputs), ("y",), "NULL", lambda suffix: f"held_{suffix}")
        for kernel in FAMILY:
            if found.op.kind not in kernel.kinds or found.input(0).dtype not in kernel.types:
                continue
            if not kernel.applies(found):
                continue
            call = kernel.call(found, places)
            declared = struct_fields(kernel, call.struct)
            # Slopes have no clamp, and float sums no scales.
            floats = found.output.dtype is F32
            assert call.fields.keys() == declared or (floats and call.fields.keys() < declared)
            held = {f"held_{c.suffix}" for c in call.constants}
            text = f"{call.arguments} {call.fields}"
            assert all(constant in text for constant in held)
            assert len(held) == text.count("held_")
            assert kernel.overlap(found, 0) == elementwise_distance(found, 0)
            met.add(kernel)
    assert met == set(FAMILY)


def random_bits(
    rng: np.random.Generator, count: int
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """float32 of any bits: of all magnitudes, subnormal, infinite, and what is no number."""
    bits = rng.integers(0, 2**32, count, np.uint32)
    # Near each other in half of the cases, as divisors and dividends of small quotients are.
    bits[::2] = (bits[::2] & 0x807FFFFF) | (rng.integers(0, 3, bits[::2].size) << 23).astype(
        np.uint32
    )
    return bits.view(np.float32)


@pytest.mark.parametrize(
    ("core", "cc"), [("cortex-m0plus", "zig"), ("cortex-m4", GCC), ("rv32imc", "zig")]
)
def test_float_quotients_and_remainders_of_any_bits(core: str, cc: str) -> None:
    size = 2000
    a, b = tensor("a", size), tensor("b", size)
    ops, tensors = [], {"a": a, "b": b}
    for attributes in (Div(), FloorDiv(), FloorMod(), Mul(), Sub()):
        y = tensor(attributes.kind, size)
        tensors[y.name] = y
        ops.append(Op(f"the_{y.name}", attributes, ("a", "b"), (y.name,)))
    graph = verify(Graph("g", tensors, tuple(ops), ("a", "b"), tuple(tensors)[2:]))
    artifact = midge.compile(graph, target=core, cc=cc)
    rng = np.random.default_rng(5)
    sample = {"a": random_bits(rng, size), "b": random_bits(rng, size)}
    (run,) = artifact.open_machine().run([artifact.to_bytes(sample)])
    device = artifact.from_bytes(run.outputs)
    for name, expected in outputs_of(graph, interpret(graph, sample)).items():
        same = (device[name].view(np.uint32) == expected.view(np.uint32)) | (
            np.isnan(device[name]) & np.isnan(expected)
        )
        at = int(np.argmin(same))
        assert same.all(), (name, sample["a"][at], sample["b"][at], device[name][at], expected[at])


def test_every_quotient_of_codes() -> None:
    a, b = tensor("a", 256, 1, dtype=I8), tensor("b", 256, dtype=I8)
    outputs = [
        Tensor(f"y{i}", (256, 256), I8, Quantization.per_tensor(scale, zero))
        for i, (scale, zero) in enumerate(((0.01, 0), (1.0, -7), (2.0**-21, 127), (2.0**20, 5)))
    ]
    ops = tuple(Op(f"to_{y.name}", Div(), ("a", "b"), (y.name,)) for y in outputs)
    tensors = {t.name: t for t in (a, b, *outputs)}
    graph = verify(Graph("g", tensors, ops, ("a", "b"), tuple(y.name for y in outputs)))
    artifact = midge.compile(graph, target="cortex-m4")
    codes = np.arange(-128, 128).astype(np.int8)
    sample = {"a": codes.reshape(256, 1), "b": codes}
    (run,) = artifact.open_machine().run([artifact.to_bytes(sample)])
    device = artifact.from_bytes(run.outputs)
    for name, expected in outputs_of(graph, interpret(graph, sample)).items():
        assert np.array_equal(device[name], expected), name
