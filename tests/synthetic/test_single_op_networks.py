from __future__ import annotations

import numpy as np
import pytest

from midge.synthetic import OPERATORS, SyntheticNetwork, single_op_networks
from midge.synthetic.model_description import Quantization
from support.networks import every_single_op
from support.oracle import tflm_outputs_of_samples


def test_names_are_unique_and_every_operator_is_there() -> None:
    names = [network.name for network in every_single_op()]
    assert len(set(names)) == len(names)
    # A FILL of constants folds away: random networks gain nothing by it.
    assert {name.split("/")[0] for name in names} == {*OPERATORS, "FILL"}


def test_the_same_call_gives_the_same_bytes() -> None:
    again = single_op_networks()
    assert [a.model_bytes for a in again] == [b.model_bytes for b in every_single_op()]


@pytest.mark.parametrize("op", OPERATORS)
def test_tflite_micro_takes_every_one_that_it_is_said_to_take(op: str) -> None:
    for network in every_single_op():
        if network.name.startswith(f"{op}/"):
            assert op in {operator.op for operator in network.model.operators}
            if not network.is_taken_by_tflm:
                continue
            sample = network.sample_inputs(0)
            (outputs,) = tflm_outputs_of_samples(network.model_bytes, [sample])
            expected = [network.model.tensor(name) for name in network.model.outputs]
            found = [(y.shape, y.dtype.name) for y in outputs]
            assert found == [(t.shape, t.dtype) for t in expected], network.name


def test_the_oracle_multiplies_weight_and_input_scale_in_double() -> None:
    """A newer TFLite Micro than tflite-runtime 2.14, which rounds their product to float32."""
    (network,) = (
        n for n in every_single_op() if n.name == "FULLY_CONNECTED/per_tensor_product_in_double"
    )
    bias = network.model.tensor("fully_connected_0/bias").values
    assert bias is not None
    outputs = {
        rounding: np.rint(bias * (product / float(np.float32(185.76)))).astype(np.int8)
        for rounding, product in (
            ("double", float(np.float32(0.0865)) * float(np.float32(0.00566))),
            ("float32", float(np.float32(0.0865) * np.float32(0.00566))),
        )
    }
    ((got,),) = tflm_outputs_of_samples(network.model_bytes, [network.sample_inputs(0)])
    np.testing.assert_array_equal(got[0], outputs["double"])
    assert (got[0] != outputs["float32"]).all()


def _multipliers(network: SyntheticNetwork) -> np.ndarray:
    (operator,) = network.model.operators
    scales = []
    for name in (operator.inputs[0], operator.outputs[0]):
        assert name is not None
        quantization = network.model.tensor(name).quantization
        assert quantization is not None
        scales.append(quantization.scale)
    assert operator.inputs[1] is not None
    weights = network.model.tensor(operator.inputs[1]).quantization
    assert isinstance(weights, Quantization)
    return scales[0] * np.float32(weights.scales).astype(np.float64) / scales[1]


@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
@pytest.mark.parametrize(
    ("case", "low", "high"),
    [
        ("multiplier_flushed_to_zero", 2.0**-33, 2.0**-31),
        ("multiplier_shift_-31", 2.0**-32, 2.0**-30),
        ("multiplier_2^-20", 2.0**-20, 2.0**-18),
        ("multiplier_rounds_up_to_1", 1 - 2.0**-33, 1 - 2.0**-35),
        ("multiplier_1", 1.0, 1.0),
        ("multiplier_3000", 2999.0, 4500.0),
    ],
)
def test_extreme_multipliers_are_what_their_names_say(
    op: str, case: str, low: float, high: float
) -> None:
    (network,) = (n for n in every_single_op() if n.name == f"{op}/{case}")
    multipliers = _multipliers(network)
    assert low <= multipliers.min()
    assert multipliers.max() <= high
