"""Winograd's convolutions: their transforms, the proof that nothing overflows, every bit on cores."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from zlib import crc32

import numpy as np
import pytest

from midge.c_emitter import KERNELS, Kernel, Layer, candidates, choose_kernels, layers_of
from midge.c_emitter.tiles.rescale import Form, Rescale, Sums, sums_of
from midge.c_emitter.tiles.winograd import LARGEST_CHANNELS, record_bytes
from midge.c_emitter.tiles.winograd_rescale import MaskedRescale, plan_lifted
from midge.c_emitter.tiles.winograd_transform import DATA_MAX, F2, F4, TAPS, Transform
from midge.driver import Artifact
from midge.graph import (
    Activation,
    Array,
    DType,
    Graph,
    Quantization,
    Rounding,
    Tensor,
    interpret,
    outputs_of,
    verify,
)
from midge.graph.accumulate import accumulator_bounds, worst_sum
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.requantize import Requantization, requantize
from midge.importers.graph_builder import GraphBuilder
from midge.toolchain import build, find_compiler
from midge.virtual_mcu import stack_bound
from support.effort import sample_of
from support.layer_bench import Bench, build_layers, promised
from support.tools import EACH_COMPILER

TRANSFORMS = {"winograd4": F4, "winograd2": F2}
KERNEL_OF = {k.variant: k for k in KERNELS["conv_2d"] if k.variant in TRANSFORMS}
VARIANTS = tuple(TRANSFORMS)
BENCHES = (
    *(("cortex-m4", "zig"), ("cortex-m33", "gcc"), ("cortex-m7", "zig")),
    *(("cortex-m4", "gcc"), ("cortex-m33", "zig"), ("cortex-m7", "gcc")),
)
EACH_TRANSFORM = pytest.mark.parametrize("transform", [F4, F2], ids=["F4", "F2"])

# ---- transforms ----


@EACH_TRANSFORM
def test_transformed_products_are_the_convolution_times_its_scale(transform: Transform) -> None:
    rng = np.random.default_rng(0)
    size, m = transform.size, transform.outputs
    for low, high in ((-128, 128), (-1, 2), (127, 128)):
        data = rng.integers(low, high, (size, size))
        taps = rng.integers(low, high, (TAPS, TAPS))
        filters = transform.filter_matrix @ taps @ transform.filter_matrix.T
        products = filters * (transform.in_matrix @ data @ transform.in_matrix.T)
        outputs = transform.out_matrix @ products @ transform.out_matrix.T
        windows = np.lib.stride_tricks.sliding_window_view(data, (TAPS, TAPS))
        expected = (windows * taps).sum(axis=(2, 3))
        assert expected.shape == (m, m)
        assert np.array_equal(outputs, transform.scale**2 * expected)


@EACH_TRANSFORM
def test_filters_and_data_fit_halves(transform: Transform) -> None:
    assert transform.largest_filter < 1 << 15
    least, greatest = transform.high_range
    assert least >= -(1 << 15)
    assert greatest < 1 << 15
    # No borrow: the low half is never negative, whatever it is read as.
    least, greatest = transform.low_range
    assert least >= 0
    assert greatest < 1 << 15


@EACH_TRANSFORM
def test_ranges_are_reached_and_not_left(transform: Transform) -> None:
    rng = np.random.default_rng(1)
    ends = rng.choice([0, DATA_MAX], (20000, transform.size, transform.size))
    a = transform.in_matrix
    least, greatest = transform.high_range
    values = a @ ends @ a.T
    assert least <= values.min()
    assert values.max() <= greatest
    # The worst data are those with the signs of a row times a column.
    terms = np.einsum("ia,jb->ijab", a, a).reshape(-1, transform.size, transform.size)
    for sign, expected in ((1, greatest), (-1, least)):
        found = [(t * DATA_MAX * (sign * t > 0)).sum() for t in terms]
        assert sign * max(sign * int(f) for f in found) == expected


@EACH_TRANSFORM
def test_guard_raises_every_transformed_value_by_itself(transform: Transform) -> None:
    a = transform.in_matrix
    assert (a @ transform.guarded @ a.T == 1).all()
    # And a bias may be put on the product at place (1, 1).
    assert (transform.out_matrix[:, 1] == 1).all()


@EACH_TRANSFORM
def test_scale_without_its_twos_has_an_inverse(transform: Transform) -> None:
    square = transform.scale**2
    assert square * transform.inverse % (1 << 32) == 1 << transform.least_lift


# ---- layers ----


PLAIN = Conv2D()


@dataclass(frozen=True)
class Case:
    """A layer.

    Attributes:
        image: Height and width.
        channels: In and out.
        pad: Above, left, below, right.
        kind: Of weights.
        zeros: Zero points of input and output.
        gain: By how much the largest sums leave int8.
        spread: Ratio of the channels' largest and least scale.
        attributes: Activation and rounding.
        batches: Images.
    """

    image: tuple[int, int]
    channels: tuple[int, int]
    pad: tuple[int, int, int, int] = (1, 1, 1, 1)
    kind: str = "any"
    zeros: tuple[int, int] = (0, 0)
    gain: float = 8.0
    spread: float = 1.0
    attributes: Conv2D = PLAIN
    batches: int = 1


def weights_of(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    if kind == "ends":
        return rng.choice(np.array([-128, 127], np.int8), shape)
    low, high = {"lowest": (-128, -128), "highest": (127, 127), "any": (-128, 127)}[kind]
    return rng.integers(low, high + 1, shape).astype(np.int8)


def add_layer(b: GraphBuilder, case: Case, bias: Array | None = None) -> tuple[Tensor, Tensor]:
    number = len(b.ops)
    rng = np.random.default_rng(crc32(repr(case).encode()))
    channels, outputs = case.channels
    x_zero, y_zero = case.zeros
    shape = (case.batches, *case.image, channels)
    x = b.add(Tensor(f"x{number}", shape, DType.INT8, Quantization.per_tensor(1.0, x_zero)))
    weights = weights_of(case.kind, (outputs, 3, 3, channels), rng)
    scales = case.spread ** rng.permutation(np.linspace(0, 1, outputs))
    quantization = Quantization(scales.astype(np.float32), np.zeros(outputs, np.int64), 0)
    w = b.add(Tensor("w", weights.shape, DType.INT8, quantization, weights))
    if bias is None:
        bias = rng.integers(-3000, 3001, outputs).astype(np.int32)
    scale = worst_sum(x, w, None, 0) * float(scales.max()) / (128 * case.gain)
    to = Quantization.per_tensor(max(scale, 2.0), y_zero)
    top, left, below, right = case.pad
    attributes = replace(case.attributes, pad_before=(top, left), pad_after=(below, right))
    inputs = (x, w, b.constant("b", bias))
    return x, b.one(f"y{number}", attributes, inputs, quantization=to)


def graph_of(cases: Sequence[Case]) -> Graph:
    """Every layer beside the others."""
    b = GraphBuilder()
    ends = [add_layer(b, case) for case in cases]
    return verify(b.graph("layers", *(list(t) for t in zip(*ends, strict=True))))


def layer_of(case: Case, bias: Array | None = None) -> Layer:
    b = GraphBuilder()
    x, y = add_layer(b, case, bias)
    (layer,) = layers_of(verify(b.graph("layer", [x], [y])))
    return layer


def samples_of(graph: Graph) -> list[dict[str, Array]]:
    rng = np.random.default_rng(1)
    shapes = {name: graph.tensors[name].shape for name in graph.inputs}
    filled = [{n: np.full(s, value, np.int8) for n, s in shapes.items()} for value in (-128, 127)]
    ends = np.array([-128, 127], np.int8)
    drawn = [
        {n: rng.choice(ends, s) for n, s in shapes.items()},
        {n: rng.integers(-128, 128, s).astype(np.int8) for n, s in shapes.items()},
    ]
    return filled + drawn


def unequal_layers(
    artifact: Artifact, samples: Sequence[dict[str, Array]] | None = None
) -> dict[str, tuple[Array, Array]]:
    """What device and interpreter give where they differ, by the name of the output."""
    graph = artifact.graph
    samples = samples_of(graph) if samples is None else samples
    runs = artifact.open_machine().run([artifact.to_bytes(s) for s in samples])
    wrong = {}
    for sample, run in zip(samples, runs, strict=True):
        device = artifact.from_bytes(run.outputs)
        for name, expected in outputs_of(graph, interpret(graph, sample)).items():
            if not np.array_equal(device[name], expected):
                wrong[name] = (device[name], expected)
    return wrong


_ZEROS = ((0, 0), (-128, 127), (127, -128), (5, -3), (-128, -128), (127, 127))
_ACTIVATIONS = (*Activation, Activation.NONE)


def _numbers(index: int) -> dict[str, object]:
    rounding = Rounding.SINGLE if index % 3 == 2 else Rounding.TFLITE_DOUBLE
    activation = _ACTIVATIONS[index % len(_ACTIVATIONS)]
    return {
        "kind": ("any", "ends", "lowest", "highest")[index % 4],
        "zeros": _ZEROS[index % 6],
        "gain": (1.0, 8.0, 40.0)[index % 3],
        "spread": (1.0, 3.0, 9.0)[index // 2 % 3],
        "attributes": Conv2D(activation=activation, rounding=rounding),
    }


def _shapes() -> Iterator[dict[str, object]]:
    """Whole pairs of tiles, overlapping ones, ones larger than the image; every side padded."""
    yield {"image": (8, 16), "channels": (8, 4)}
    yield {"image": (4, 8), "channels": (4, 2)}
    yield {"image": (3, 3), "channels": (4, 6), "pad": (0, 0, 0, 0)}
    yield {"image": (5, 9), "channels": (12, 8)}
    yield {"image": (7, 3), "channels": (4, 10)}
    yield {"image": (2, 13), "channels": (8, 6)}
    yield {"image": (9, 11), "channels": (20, 2), "pad": (0, 1, 2, 0)}
    yield {"image": (6, 10), "channels": (16, 16), "pad": (0, 0, 0, 0)}
    yield {"image": (4, 4), "channels": (64, 4)}
    yield {"image": (1, 1), "channels": (4, 2), "pad": (9, 1, 3, 12)}
    yield {"image": (5, 6), "channels": (4, 4), "batches": 3}
    yield {"image": (8, 8), "channels": (28, 14), "pad": (3, 2, 0, 5)}
    yield {"image": (4, 9), "channels": (4, 130), "pad": (1, 1, 0, 1)}
    yield {"image": (1, 19), "channels": (36, 2), "pad": (2, 0, 0, 7)}


def _corrected_numbers(index: int) -> dict[str, object]:
    """Rounded twice, with nothing clamped at the zero point; shifts that differ less and more."""
    return {
        "kind": ("any", "ends")[index % 2],
        "zeros": ((5, -3), (-128, 127), (127, 0))[index % 3],
        "gain": (1.0, 8.0)[index // 2 % 2],
        "spread": (1.0, 3.0, 9.0, 300.0, 9.0)[index % 5],
    }


@cache
def every_case() -> tuple[Case, ...]:
    return tuple(
        Case(**{**shape, **numbers})  # type: ignore[arg-type]
        for index, shape in enumerate(_shapes())
        for numbers in (_numbers(index), _numbers(index + 1), _corrected_numbers(index))
    ) + tuple(
        # Sums without room for lifts that would make the shifts one.
        Case((4, width), (64, 4), kind="ends", zeros=(3, zero), spread=9.0, attributes=attributes)
        for width, zero in ((8, -7), (17, 100))
        for attributes in (PLAIN, Conv2D(rounding=Rounding.SINGLE))
    )


def applying(kernel: Kernel, cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if kernel.applies(layer_of(case))]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("core", "cc"), sample_of(BENCHES, 2))
def test_kernels_equal_the_interpreter_at_the_extremes(core: str, cc: str, variant: str) -> None:
    kernel = KERNEL_OF[variant]
    cases = applying(kernel, every_case())
    assert len(cases) >= 24
    half = BENCHES.index((core, cc)) % 2
    graph = graph_of(cases[half::2])
    artifact = build_layers(graph, (kernel,) * len(graph.ops), Bench(core, cc))
    assert artifact.built.static_bytes == 0
    assert not unequal_layers(artifact)


def test_cases_meet_every_way_to_rescale() -> None:
    met: Counter[tuple[type, Form, bool]] = Counter()
    clamps = set()
    for case in every_case():
        layer = layer_of(case)
        attributes = case.attributes
        plan = plan_lifted(sums_of(layer, attributes, attributes.activation, 0), F4.least_lift)
        if plan is not None:
            met[type(plan), plan.form, plan.uniform] += 1
            clamps.add((plan.low is None, plan.high is None))
    assert met.keys() == {
        *product([Rescale], [Form.PLAIN, Form.CORRECTED], [True, False]),
        (MaskedRescale, Form.CORRECTED, True),
    }
    assert min(met.values()) >= 2
    assert clamps == set(product((True, False), repeat=2))


def test_extremes_meet_saturation_and_what_lies_between() -> None:
    graph = graph_of(every_case())
    sample = samples_of(graph)[3]
    values = list(outputs_of(graph, interpret(graph, sample)).values())
    everything = np.concatenate([v.reshape(-1) for v in values])
    assert {-128, 127} <= set(everything.tolist())
    assert np.unique(everything).size > 200


@pytest.mark.parametrize("cc", EACH_COMPILER)
@pytest.mark.parametrize("level", ["-O0", "-Os"])
def test_tiles_do_not_depend_on_the_level(level: str, cc: str) -> None:
    graph = graph_of([Case((5, 9), (8, 4)), Case((8, 8), (4, 6), zeros=(-128, 0))])
    kernels = (KERNEL_OF["winograd4"], KERNEL_OF["winograd2"])
    artifact = build_layers(graph, kernels, Bench("cortex-m4", cc))
    built, compiler = artifact.built, find_compiler(cc, "cortex-m4")
    leveled = build(compiler, artifact.emitted.files, built.interface, optimisation=level)
    artifact = replace(artifact, program=leveled)
    assert not unequal_layers(artifact)


def test_layers_of_one_shape_share_their_code() -> None:
    case = Case((8, 8), (8, 8), kind="ends")
    graph = graph_of([case, case, replace(case, image=(16, 8))])
    kernel = KERNEL_OF["winograd4"]
    first, second, taller = (kernel.tiles(layer) for layer in layers_of(graph))
    assert [t.name for t in first] == [t.name for t in second] == [t.name for t in taller]
    artifact = build_layers(graph, (kernel,) * 3, Bench("cortex-m4"))
    tiles = [s for s in artifact.built.symbols if s.name.startswith("midge_winograd")]
    assert len(tiles) == len(first)


# ---- bounds ----

BOUND = (1 << 25) - 1
"""The largest sum that may be multiplied by 64 within int32."""


def bound_case(sign: int, image: tuple[int, int], pad: int) -> tuple[Case, Array]:
    """A layer whose sums reach the bound, and the bias that takes them there."""
    kind, zero = ("highest", -128) if sign > 0 else ("lowest", -128)
    case = Case(image, (64, 2), (pad,) * 4, kind, (zero, 3), gain=1.0)
    layer = layer_of(case, np.zeros(2, np.int32))
    ends = accumulator_bounds(layer.input(0), layer.input(1), None, 0)
    furthest = int(ends[1].max()) if sign > 0 else int(ends[0].min())
    return case, np.full(2, sign * BOUND - furthest, np.int32)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("pad", [0, 1])
def test_sums_at_their_bound(sign: int, pad: int) -> None:
    kernel = KERNEL_OF["winograd4"]
    case, bias = bound_case(sign, (6 - 2 * pad, 10 - 2 * pad), pad)
    b = GraphBuilder()
    x, y = add_layer(b, case, bias)
    graph = verify(b.graph("bound", [x], [y]))
    (layer,) = layers_of(graph)
    assert kernel.applies(layer)
    artifact = build_layers(graph, (kernel,), Bench("cortex-m4"))
    assert not unequal_layers(artifact)
    beyond = layer_of(case, bias + np.int32(sign))
    assert not kernel.applies(beyond)
    assert KERNEL_OF["winograd2"].applies(beyond)


def test_sums_beyond_their_bound_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    # A test that passes without the check of the bound sees nothing.
    monkeypatch.setattr("midge.c_emitter.tiles.rescale.INT32_MAX", 1 << 34)
    case, bias = bound_case(1, (6, 10), 0)
    b = GraphBuilder()
    x, y = add_layer(b, case, bias + np.int32(1))
    graph = verify(b.graph("beyond", [x], [y]))
    kernel = KERNEL_OF["winograd4"]
    artifact = build_layers(graph, (kernel,), Bench("cortex-m4"))
    assert unequal_layers(artifact)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_does_not_apply_is_refused(variant: str) -> None:
    kernel, fine = KERNEL_OF[variant], Case((6, 6), (8, 8))
    assert kernel.applies(layer_of(fine))
    odd = (
        replace(fine, channels=(6, 8)),
        replace(fine, channels=(8, 7)),
        replace(fine, channels=(LARGEST_CHANNELS + 4, 2)),
        replace(fine, channels=(4, 514)),
        replace(fine, attributes=Conv2D(stride=(2, 1))),
        replace(fine, attributes=Conv2D(dilation=(1, 2))),
        replace(fine, attributes=Conv2D(rounding=Rounding.HALF_EVEN)),
    )
    assert [kernel.applies(layer_of(case)) for case in odd] == [False] * len(odd)


def test_kernels_are_taken_only_where_measured() -> None:
    graph = graph_of([Case((8, 8), (8, 8))])
    (row,) = candidates(graph, frozenset({"dsp"}))
    assert set(KERNEL_OF.values()) <= set(row.kernels)
    (kernel,) = choose_kernels(graph, frozenset({"dsp"}))
    assert kernel is not None
    assert kernel.variant not in VARIANTS
    assert not {k.variant for (r,) in [candidates(graph, frozenset())] for k in r.kernels} & {
        *VARIANTS
    }


# ---- rescaling ----


@pytest.mark.parametrize("zero", [-127, -3, 0, 127])
def test_masked_rescaling_equals_the_interpreter(zero: int) -> None:
    rng = np.random.default_rng(zero + 128)
    multipliers = np.array([1 << 30, (1 << 31) - 1, *rng.integers(1 << 30, 1 << 31, 6)])
    right = np.array([5, 6, 7, 8, 5, 6, 7, 8])
    factors = Requantization(
        multipliers.astype(np.int32), -right.astype(np.int32), Rounding.TFLITE_DOUBLE
    )
    reach = 1 << 16
    sums = Sums(factors, np.full(8, -reach), np.full(8, reach), zero, -128, 127)
    plan = plan_lifted(sums, 6)
    assert isinstance(plan, MaskedRescale)
    accumulators = np.arange(-reach, reach + 1, dtype=np.int64)[:, None] * np.ones(8, np.int64)
    expected = np.clip(requantize(accumulators, factors) + zero, -128, 127)
    for channel in range(8):
        multiplier, addend, third = plan.words(channel)
        lifted = accumulators[:, channel] << int(plan.lift[channel])
        assert np.abs(lifted).max() < 1 << 31
        addends = (np.int64(third) & (lifted >> 31)) + addend
        high = addends + (lifted * multiplier >> 32)
        assert np.abs(high).max() < 1 << 31
        found = np.clip(high >> int(plan.shifts[channel]), -128, 127)
        assert np.array_equal(found, expected[:, channel])


# ---- memory ----


@pytest.mark.parametrize("variant", VARIANTS)
def test_input_that_stands_too_near_is_caught(variant: str) -> None:
    kernel = KERNEL_OF[variant]
    cases = [Case((12, 19), (8, 8)), Case((9, 24), (8, 4)), Case((13, 8), (4, 8))]
    graph = graph_of(cases)

    def nearer(kernel: Kernel, layer: Layer, index: int) -> int | None:
        distance = promised(kernel, layer, index)
        return None if distance is None else distance - layer.output.shape[3] - 4

    choice = (kernel,) * len(cases)
    assert not unequal_layers(build_layers(graph, choice, Bench("cortex-m4")))
    wrong = unequal_layers(build_layers(graph, choice, Bench("cortex-m4"), nearer))
    assert wrong.keys() == set(graph.outputs)


@pytest.mark.parametrize("variant", VARIANTS)
def test_stack_is_bounded_and_small(variant: str) -> None:
    graph = graph_of([Case((8, 8), (16, 16))])
    artifact = build_layers(graph, (KERNEL_OF[variant],), Bench("cortex-m4"))
    bound = stack_bound(artifact.built, "layers_run")
    assert bound.bytes is not None, bound.reason
    assert bound.bytes <= 900


@pytest.mark.parametrize("variant", VARIANTS)
def test_stack_stands_on_eight_bytes_and_nothing_lies_below_it(variant: str) -> None:
    layer = layer_of(Case((8, 8), (16, 16)))
    for tile in KERNEL_OF[variant].tiles(layer):
        depth = 0
        for line in re.findall(r'"([^"\\]*)\\n"', tile.text):
            if pushed := re.fullmatch(r"(push|pop) \{(.*)\}", line):
                size = 4 * len(pushed[2].split(","))
                depth += size if pushed[1] == "push" else -size
            elif moved := re.fullmatch(r"(sub|add) sp, sp, #(\d+)", line):
                depth += int(moved[2]) if moved[1] == "sub" else -int(moved[2])
            else:
                assert not re.match(r"\S+ sp\b|v[a-z]+ ", line), line
                assert not re.search(r"\[sp, #-|sp!", line), line
                continue
            # Behind the registers that are saved first, which are nine.
            assert depth % 8 == 0 or depth == 36, line
        assert depth == 0


def test_scratch_is_what_the_records_and_a_patch_take() -> None:
    kernel = KERNEL_OF["winograd4"]
    layer = layer_of(Case((8, 8), (64, 64)))
    records = 2 * 36 * record_bytes(64)
    assert kernel.scratch_bytes(layer) == records + 6 * 10 * 64 + 8 == 23432
    narrow = layer_of(Case((3, 5), (4, 64)))
    assert kernel.scratch_bytes(narrow) == 36 * record_bytes(4) + (3 * 8 + 8) * 64 + 8
