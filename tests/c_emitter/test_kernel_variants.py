from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product

import pytest
from extreme_layers import OPERATORS as WEIGHTED
from extreme_layers import extreme_layers
from tile_networks import tile_networks

from midge.c_emitter import KERNELS, Kernel, Layer, choose_kernels, layers_of
from midge.c_emitter.choose import candidates
from midge.errors import UnsupportedError
from midge.graph import DType, Rounding
from midge.synthetic import SyntheticNetwork
from midge.virtual_mcu import CORES
from support.effort import sample_of, takes_all
from support.framework_layers import UNITS
from support.layer_bench import Bench, build_layers, unequal_networks, with_rounding
from support.networks import every_single_op, imported, join, mobile_chain, single_ops
from support.tools import GCC

PORTABLE_BENCHES = (
    Bench("cortex-m0plus"),
    Bench("rv32imc", GCC),
    Bench("cortex-m3", GCC),
    Bench("cortex-m4"),
    Bench("rv32imac"),
)
DSP_BENCHES = (Bench("cortex-m4"), Bench("cortex-m33", GCC), Bench("cortex-m7"))
HELIUM = Bench("cortex-m55")
ELSEWHERE = {
    *("read_variable", "assign_variable"),  # more than one layer: `tests/driver/test_state.py`
    *(unit.kind for unit in UNITS),  # these and the next: `test_framework_layers.py`
    *("layer_norm", "gru", "lstm"),
    "lookup",  # `test_lookup.py`
}
"""Operators that no .tflite file of one layer has."""
ALL_KERNELS = list(
    dict.fromkeys(k for kind, found in KERNELS.items() if kind not in ELSEWHERE for k in found)
)
ROUNDED = {
    *("add", "conv_2d", "depthwise_conv_2d", "fully_connected", "svdf"),
    *("transpose_conv", "batch_matmul"),
    *("sub", "squared_difference", "mul", "prelu", "add_n"),
    *("equal", "not_equal", "greater", "greater_equal", "less", "less_equal"),
}
CASES = [
    (kernel, rounding)
    for kernel in ALL_KERNELS
    for rounding in (Rounding.TFLITE_DOUBLE, Rounding.SINGLE)
    if rounding is Rounding.TFLITE_DOUBLE
    or (ROUNDED.issuperset(kernel.kinds) and kernel.types == (DType.INT8,))
]


def name_of(kernel: Kernel) -> str:
    kinds = "+".join(kernel.kinds[:3])
    return f"{kinds}-{'+'.join(t.value for t in kernel.types[:2])}-{kernel.variant}"


def networks_of(operator: str) -> tuple[SyntheticNetwork, ...]:
    more = (*extreme_layers(operator), *tile_networks(operator)) if operator in WEIGHTED else ()
    return (*single_ops(operator), *more)


@cache
def networks_by_operator() -> dict[str, list[SyntheticNetwork]]:
    found: dict[str, list[SyntheticNetwork]] = {}
    for network in every_single_op():
        found.setdefault(network.name.split("/", 1)[0], []).append(network)
    for op in WEIGHTED:
        found[op] += [*extreme_layers(op), *tile_networks(op)]
    return found


def single_layers(networks: Iterable[SyntheticNetwork]) -> Iterator[tuple[SyntheticNetwork, Layer]]:
    for network in networks:
        layers = layers_of(imported(network))
        if len(layers) == 1:
            yield network, layers[0]


@cache
def kinds() -> dict[str, str]:
    """Of every operator: importing one network of each takes a twentieth of importing them all."""
    firsts = {op: next(single_layers(made), None) for op, made in networks_by_operator().items()}
    return {op: first[1].op.kind for op, first in firsts.items() if first}


@cache
def layers_of_kind(kind: str) -> tuple[tuple[SyntheticNetwork, Layer], ...]:
    """Every network of a single layer of that kind."""
    found = [
        pair
        for op, made in networks_by_operator().items()
        if kinds().get(op) == kind
        for pair in single_layers(made)
    ]
    assert all(layer.op.kind == kind for _, layer in found), "an operator of several kinds"
    return tuple(found)


@cache
def fitting(kernel: Kernel, rounding: Rounding) -> tuple[tuple[SyntheticNetwork, Layer], ...]:
    """Every network whose one layer the kernel computes."""
    found = []
    for made, layer in (pair for kind in kernel.kinds for pair in layers_of_kind(kind)):
        op = layer.op
        if hasattr(op.attributes, "rounding") and rounding is not Rounding.TFLITE_DOUBLE:
            op = replace(op, attributes=replace(op.attributes, rounding=rounding))
        candidate = replace(layer, op=op)
        if layer.input(0).dtype in kernel.types and kernel.applies(candidate):
            found.append((made, candidate))
    return tuple(found)


FEWEST = 8
"""Networks of which nothing is left out."""


def is_scalar(kernel: Kernel) -> bool:
    return kernel.variant.startswith("scalar")


def bench_for(number: int, kernel: Kernel, rounding: Rounding = Rounding.TFLITE_DOUBLE) -> Bench:
    """The cores in turn; GCC takes the scalar kernels, over which it is slow, in one rounding."""
    benches = DSP_BENCHES if "dsp" in kernel.requires else PORTABLE_BENCHES
    if "mve" in kernel.requires:
        return HELIUM
    able = [bench for bench in benches if kernel.requires <= CORES[bench.core].features]
    if is_scalar(kernel):
        cc = "zig" if rounding is Rounding.TFLITE_DOUBLE else GCC
        able = [bench for bench in able if bench.cc == cc]
        number //= 2
    return able[number % len(able)]


def networks_for(kernel: Kernel, rounding: Rounding) -> list[SyntheticNetwork]:
    """All that the kernel fits; of another rounding every third one, or sixth one of the scalar
    kernels, over which GCC takes ten times as long as zig; `make soak` takes the rest.

    Where int8 has both roundings, those that the second takes are left out of the first, unless
    their numbers were made for it.
    """
    fits = [made for made, _ in fitting(kernel, rounding)]
    if rounding is not Rounding.TFLITE_DOUBLE:
        return sample_of(fits, max(len(fits) // (6 if is_scalar(kernel) else 3), FEWEST))
    if takes_all() or kernel.types != (DType.INT8,) or not ROUNDED.issuperset(kernel.kinds):
        return fits
    again = {made.name for made in networks_for(kernel, Rounding.SINGLE)}
    rest = [made for made in fits if made.name not in again or "/extreme/" in made.name]
    return rest if len(rest) >= FEWEST else fits


@pytest.mark.parametrize(
    "number",
    range(len(CASES)),
    ids=lambda n: f"{name_of(CASES[n][0])}-{CASES[n][1].value}",
)
def test_kernel_equals_the_interpreter_with_its_input_as_near_as_it_promises(number: int) -> None:
    kernel, rounding = CASES[number]
    joined = join(networks_for(kernel, rounding))
    graph = joined.graph
    if rounding is not Rounding.TFLITE_DOUBLE:
        graph = with_rounding(graph, rounding)
    bench = bench_for(number, kernel, rounding)
    artifact = build_layers(graph, (kernel,) * len(graph.ops), bench)
    assert artifact.built.static_bytes == 0, "a kernel has no variables"
    assert not unequal_networks(joined, artifact, seeds=range(5))
    assert len(joined.networks) >= 5, "too few cases to say something of this kernel"


@pytest.mark.parametrize("kernel", KERNELS["add"], ids=lambda k: k.variant)
def test_add_over_its_second_operand(kernel: Kernel) -> None:
    adds = [
        made for made, layer in fitting(kernel, Rounding.TFLITE_DOUBLE) if layer.op.kind == "add"
    ]
    joined = join(adds)
    choice = (kernel,) * len(joined.graph.ops)
    bench = bench_for(1, kernel)
    artifact = build_layers(joined.graph, choice, bench, operand=1)
    assert not unequal_networks(joined, artifact, seeds=range(2))


WATCHED = 3
"""Networks of a kernel, those of the largest outputs, that are tried before all the others."""


def broken_promise(kernel: Kernel, layer: Layer, index: int) -> int | None:
    """A distance shorter than the kernel's own by one pixel, or row, and a word."""
    distance, y = kernel.overlap(layer, index), layer.output
    pixel = (1, *y.shape)[-1] * y.dtype.size_bits // 8
    return None if distance is None else distance - pixel - 4


@pytest.mark.parametrize(
    "kernel", [k for k in ALL_KERNELS if type(k).overlap is not Kernel.overlap], ids=name_of
)
def test_input_that_stands_too_near_is_caught(kernel: Kernel) -> None:
    # The test of the kernels' promises can only be trusted if it sees a broken one.
    near = [
        (layer.output.size, made)
        for made, layer in fitting(kernel, Rounding.TFLITE_DOUBLE)
        if kernel.overlap(layer, 0) is not None
    ]
    networks = [made for _, made in sorted(near, key=lambda pair: pair[0])]
    assert is_caught(kernel, networks[-WATCHED:]) or is_caught(kernel, networks[:-WATCHED])


def is_caught(kernel: Kernel, networks: list[SyntheticNetwork]) -> bool:
    joined = join(networks)
    choice = (kernel,) * len(joined.graph.ops)
    bench = HELIUM if "mve" in kernel.requires else Bench("cortex-m4")
    artifact = build_layers(joined.graph, choice, bench, broken_promise)
    return bool(unequal_networks(joined, artifact, seeds=range(2)))


def test_cases_meet_every_way_to_store_factors_and_every_width() -> None:
    met: Counter[tuple[str, bool, bool]] = Counter()
    for operator in WEIGHTED:
        for made in networks_of(operator):
            (layer,) = layers_of(imported(made))
            for kernel in KERNELS[layer.op.kind]:
                if kernel.types == (DType.INT8,) and kernel.applies(layer):
                    met.update(_forms(kernel, layer))
    for form, narrow, wide in product(("packed", "multiplier", "one_multiplier"), *([(0, 1)] * 2)):
        if narrow and wide:
            assert not met[form, True, True]
        else:
            assert met[form, bool(narrow), bool(wide)] >= 3, (form, narrow, wide, met)


def _forms(kernel: Kernel, layer: Layer) -> list[tuple[str, bool, bool]]:
    """None where the factors stand in the stream of a tile."""
    from midge.c_emitter.kernel import Places

    places = Places(("x",) * 3, ("y",), "scratch", lambda suffix: suffix)
    factors = kernel.call(layer, places).fields.get("factors")
    if not isinstance(factors, dict):
        return []
    (form,) = {"packed", "multiplier", "one_multiplier"} & factors.keys()
    return [(form, bool(factors["narrow"]), bool(factors["wide"]))]


@pytest.mark.tiny
def test_dsp_kernels_are_offered_where_the_core_has_the_instructions() -> None:
    graph = imported(mobile_chain())
    for core, features in ((c.name, c.features) for c in CORES.values()):
        rows = candidates(graph, features)
        assert all(k.requires <= features for row in rows for k in row.kernels), core
        needed = frozenset[str]().union(*(k.requires for row in rows for k in row.kernels))
        units = {"dsp", "mve"} if "dsp" in features else {"long_mul"}
        assert needed == features & units, core
        for row in rows:
            assert all(row.layer.op.kind in k.kinds for k in row.kernels)


@pytest.mark.tiny
def test_rounding_without_a_kernel_names_every_layer() -> None:
    graph = imported(mobile_chain(), "kws")
    # int16's rounding of long sums, which int8 sums have not.
    foreign = with_rounding(graph, Rounding.TFLITE_16X8)
    weighted = [op for op in graph.ops if op.kind in ROUNDED]
    with pytest.raises(UnsupportedError) as refused:
        choose_kernels(foreign, frozenset({"dsp"}))
    message = str(refused.value)
    assert message.startswith(f"kws: no kernel computes {len(weighted)} of its layers:\n")
    for op in weighted:
        assert f"\n  {op.name}: " in message
    assert message.count("TFLITE_16X8") == len(weighted)
