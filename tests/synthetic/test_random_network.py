from __future__ import annotations

from collections import Counter
from functools import cache
from math import prod

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from midge.errors import UserError
from midge.synthetic import OPERATORS, SPINE, SyntheticNetwork, random_network
from midge.synthetic.model_description import (
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Operator,
    Pool2DOptions,
)
from support.oracle import tflm_outputs, tflm_outputs_of_samples

MAX_OPS, MAX_ELEMENTS = 8, 2048


@cache
def networks() -> list[SyntheticNetwork]:
    return [random_network(seed) for seed in range(120)]


def test_the_seed_decides() -> None:
    assert random_network(3).model_bytes == networks()[3].model_bytes
    assert len({network.model_bytes for network in networks()}) == len(networks())
    from_generator = random_network(np.random.default_rng(3))
    assert from_generator.model_bytes == networks()[3].model_bytes


def test_tflite_micro_takes_every_one() -> None:
    for network in networks():
        outputs = tflm_outputs(network.model_bytes, network.sample_inputs(0))
        shapes = [network.model.tensor(name).shape for name in network.model.outputs]
        assert [output.shape for output in outputs] == shapes, network.description


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_hypothesis_draws_is_valid(data: st.DataObject) -> None:
    network = random_network(
        lambda low, high: data.draw(st.integers(low, high)), max_ops=5, max_elements=256
    )
    note(network.description)
    assert tflm_outputs(network.model_bytes, network.sample_inputs(0))


@pytest.mark.parametrize("end", ["low", "high"])
def test_the_extreme_drawers_give_valid_networks(end: str) -> None:
    network = random_network(lambda low, high: low if end == "low" else high)
    assert tflm_outputs(network.model_bytes, network.sample_inputs(1))
    if end == "low":  # what a failing network shrinks towards
        assert [op.options for op in network.model.operators] == [Conv2DOptions()]
        assert {prod(tensor.shape) for tensor in network.model.tensors} == {1}


def test_limits_are_kept() -> None:
    for network in [
        *networks(),
        *(random_network(s, max_ops=3, max_elements=40) for s in range(30)),
    ]:
        small = "max_ops=3" in network.name
        most_ops, most_elements = (3, 40) if small else (MAX_OPS, MAX_ELEMENTS)
        assert 1 <= len(network.model.operators) <= most_ops + 1
        for tensor in network.model.tensors:
            limit = most_elements * (1 if tensor.values is None else 4)
            assert prod(tensor.shape) <= max(limit, 8), network.description


def test_only_the_chosen_operators_appear() -> None:
    for seed in range(20):
        network = random_network(seed, ops=("DEPTHWISE_CONV_2D", "ADD"))
        assert {op.op for op in network.model.operators} <= {"DEPTHWISE_CONV_2D", "ADD"}


def test_nothing_that_fits_is_an_error() -> None:
    with pytest.raises(
        UserError, match=r"none of \['DEPTHWISE_CONV_2D'\] fits into 1 elements; allow more"
    ):
        random_network(lambda _, high: high, ops=("DEPTHWISE_CONV_2D",), max_elements=1)


def _features(network: SyntheticNetwork) -> set[str]:
    """Name what a network has that a compiler may get wrong."""
    model = network.model
    found = set()
    if len(model.inputs) > 1:
        found.add("several inputs")
    if len(model.outputs) > 1:
        found.add("several outputs")
    read = Counter(name for op in model.operators for name in op.inputs)
    if set(model.outputs) & set(read):
        found.add("an output that is also read")
    for op in model.operators:
        found.add(op.op)
        found |= {f"{op.op} {feature}" for feature in _operator_features(network, op)}
        if any(read[name] > 1 for name in op.outputs):
            found.add("a tensor read twice")
    return found


def _operator_features(network: SyntheticNetwork, op: Operator) -> set[str]:
    model = network.model
    shapes = [model.tensor(name).shape for name in op.inputs if name is not None]
    options, found = op.options, set()
    activation = getattr(options, "activation", None)
    if activation is not None:
        found.add(activation)
    if isinstance(options, Conv2DOptions | DepthwiseConv2DOptions | Pool2DOptions):
        found.add(options.padding)
        kernel = options.filter if isinstance(options, Pool2DOptions) else shapes[1][1:3]
        if kernel[0] > shapes[0][1]:
            found.add("kernel over image")
        if options.stride[0] > kernel[0]:
            found.add("stride over kernel")
        if shapes[0][0] > 1:
            found.add("batch")
    if isinstance(options, Conv2DOptions | DepthwiseConv2DOptions):
        found |= {"dilation"} if options.dilation != (1, 1) else set()
    if isinstance(options, Conv2DOptions) and shapes[1][3] < shapes[0][3]:
        found.add("groups")
    if isinstance(options, DepthwiseConv2DOptions) and options.depth_multiplier > 1:
        found.add("depth multiplier")
    if isinstance(options, FullyConnectedOptions):
        found |= {"keep_num_dims"} if options.keep_num_dims else set()
        found |= {"rank over 2"} if len(shapes[0]) > 2 else set()
    if op.op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        found.add({2: "two inputs", 3: "three inputs"}[len(op.inputs)])
        found |= {"absent bias"} if None in op.inputs else set()
        found |= _multiplier_features(network, op)
    if op.op == "ADD":
        found |= {"itself"} if op.inputs[0] == op.inputs[1] else set()
        found |= {"broadcast"} if shapes[0] != shapes[1] else set()
        constants = [model.tensor(n).values is not None for n in op.inputs if n is not None]
        found |= {"constant first"} if constants[0] else set()
        found |= {"constant second"} if constants[1] else set()
    output = model.tensor(op.outputs[0]).quantization
    assert output is not None
    if output.zero_point in (-128, 127):
        found.add(f"zero point {output.zero_point}")
    return found


def _multiplier_features(network: SyntheticNetwork, op: Operator) -> set[str]:
    x, weights, y = (
        network.model.tensor(name).quantization
        for name in (op.inputs[0], op.inputs[1], op.outputs[0])
        if name is not None
    )
    assert x is not None
    assert weights is not None
    assert y is not None
    multiplier = x.scale * weights.scale / y.scale
    found = {"per channel" if len(weights.scales) > 1 else "per tensor"}
    if multiplier < 2.0**-14:
        found.add("tiny multiplier")
    if multiplier > 1:
        found.add("multiplier above 1")
    return found


_WINDOW = {"SAME", "VALID", "kernel over image", "stride over kernel", "batch"}
_ACTIVATED = {"NONE", "RELU", "RELU6", "RELU_N1_TO_1"}
_LAYER = {"two inputs", "three inputs", "per channel", "per tensor", "tiny multiplier"}
_LAYER |= {"zero point -128", "zero point 127", "multiplier above 1"} | _ACTIVATED
EXPECTED = {
    "several inputs": set[str](),
    "several outputs": set(),
    "an output that is also read": set(),
    "a tensor read twice": set(),
    "CONV_2D": _WINDOW | _LAYER | {"dilation", "groups", "absent bias"},
    "DEPTHWISE_CONV_2D": _WINDOW | _LAYER | {"dilation", "depth multiplier"},
    "FULLY_CONNECTED": _LAYER | {"keep_num_dims", "rank over 2", "absent bias"},
    "AVERAGE_POOL_2D": _WINDOW | _ACTIVATED,
    "MAX_POOL_2D": _WINDOW | _ACTIVATED,
    "ADD": {"itself", "broadcast", "constant first", "constant second"} | _ACTIVATED,
    "SOFTMAX": set(),
    "RESHAPE": set(),
    "PAD": {"zero point -128", "zero point 127"},
}


def test_a_few_hundred_networks_meet_every_feature() -> None:
    counts: Counter[str] = Counter()
    for network in [*networks(), *(random_network(seed) for seed in range(120, 300))]:
        counts.update(_features(network))
    wanted = {f"{what} {feature}".strip() for what, fs in EXPECTED.items() for feature in fs | {""}}
    assert set(SPINE) <= wanted
    assert {feature for feature in wanted if counts[feature] == 0} == set()


def test_networks_over_the_whole_list_meet_every_operator_and_type() -> None:
    met: Counter[str] = Counter()
    types: Counter[str] = Counter()
    for seed in range(900):
        dtype = ("int8", "int16", "float32")[seed % 3]
        network = random_network(seed, ops=OPERATORS, dtype=dtype, max_elements=512)
        met.update({operator.op for operator in network.model.operators})
        types.update({tensor.dtype for tensor in network.model.tensors})
    assert [operator for operator in OPERATORS if not met[operator]] == []
    assert {"int8", "int16", "int32", "float32", "bool"} <= set(types)


def test_outputs_carry_information() -> None:
    """Uniform noise must not end in one or two codes in most networks (saturation, dead layers)."""
    codes, ends = [], []
    for network in networks():
        outputs = tflm_outputs_of_samples(network.model_bytes, [network.sample_inputs(0)])[0]
        for output in outputs:
            if output.size >= 16:
                codes.append(len(np.unique(output)))
                ends.append(np.mean((output == -128) | (output == 127)))
    assert len(codes) > 100
    assert np.mean(np.array(codes) > 2) > 0.75
    assert np.median(codes) > 10
    assert np.median(ends) < 0.35
