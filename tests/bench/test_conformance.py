"""The ONNX node tests: which count, and that a right and a wrong answer are told apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bench.conformance import judge
from bench.conformance_cases import Case, Skipped, all_cases, listed_operators

from midge.importers.onnx_ops import CONVERTERS


@pytest.fixture(scope="module")
def suite() -> dict[str, Case | Skipped]:
    return {case.name: case for case in all_cases()}


def test_every_listed_operator_is_converted_and_has_tests(suite: dict[str, Case | Skipped]) -> None:
    listed = listed_operators()
    assert len(listed) == len(set(listed)) >= 100
    assert {("", operator) for operator in listed} <= CONVERTERS.keys()
    counted = {case.operator for case in suite.values() if isinstance(case, Case)}
    assert len(counted) >= 100


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("test_det_2d", "operator not in the list"),
        ("test_add_uint16", "element types other than float32 and int8"),
        ("test_and2d", "opset before 13"),
        ("test_identity_sequence", "values that are no tensors"),
        ("test_reduce_sum_empty_set", "a tensor without elements"),
        ("test_batchnorm_example_training_mode", "training"),
        ("test_training_dropout", "training"),
    ],
)
def test_what_does_not_count(suite: dict[str, Case | Skipped], name: str, rule: str) -> None:
    found = suite[name]
    assert isinstance(found, Skipped)
    assert found.rule == rule


def test_right_and_wrong_answers_are_told_apart(suite: dict[str, Case | Skipped]) -> None:
    """An image, a constant shape, a state, and an operator of which nothing is left to compute."""
    names = (
        *("test_basic_conv_with_padding", "test_reshape_zero_dim", "test_lstm_defaults"),
        *("test_constantofshape_float_ones", "test_averagepool_3d_default"),
    )
    cases = [case for n in names if isinstance(case := suite[n], Case)]
    wrong = replace(cases[0], name="wrong", outputs=(cases[0].outputs[0] + np.float32(1),))
    results = judge([*cases, wrong])
    assert [results[n] for n in names[:4]] == [""] * 4
    assert "supported: [n, c, length]" in results["test_averagepool_3d_default"]
    assert "elements differ" in results["wrong"]
