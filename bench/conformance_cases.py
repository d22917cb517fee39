"""The ONNX backend node tests, and which of them count: by rule, never by name."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from bench.mlperf_tiny import REPOSITORY
from midge.importers.onnx_file import OLDEST_OPSET

Array = NDArray[Any]
LIST = REPOSITORY / "bench" / "conformance_operators.txt"
COUNTED = (TensorProto.FLOAT, TensorProto.INT8, TensorProto.BOOL)
"""Element types of what a case is about."""
BESIDE = (TensorProto.UINT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64)
"""Further types that may stand beside it: indices, shapes, codes of other operands."""


@dataclass(frozen=True)
class Case:
    """One node test.

    Attributes:
        name: The suite's.
        operator: What it is a test of; of a function that was expanded, the function.
        model: A ModelProto.
        inputs: Arrays by name.
        outputs: Arrays in order.
        rtol: The suite's relative tolerance.
        atol: The suite's absolute tolerance.
    """

    name: str
    operator: str
    model: Any
    inputs: Mapping[str, Array]
    outputs: tuple[Array, ...]
    rtol: float
    atol: float


@dataclass(frozen=True)
class Skipped:
    """A node test that does not count.

    Attributes:
        name: The suite's.
        operator: As of `Case`.
        rule: Why.
    """

    name: str
    operator: str
    rule: str


def listed_operators() -> tuple[str, ...]:
    """The committed list."""
    lines = LIST.read_text("utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


@cache
def _suite() -> tuple[Any, ...]:
    from onnx.backend.test.loader import load_model_tests  # noqa: PLC0415 - takes seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(load_model_tests(kind="node"))


def all_cases() -> list[Case | Skipped]:
    """Every node test of the installed onnx package, in the suite's order."""
    operators: dict[str, str] = {}
    found: list[Case | Skipped] = []
    listed = listed_operators()
    for test in _suite():
        model = test.model
        if model is None:
            model = onnx.load(Path(test.model_dir) / "model.onnx")
        base = re.sub(r"_expanded(_ver\d+)?$", "", test.name)
        operator = operators.setdefault(base, _operator(model))
        found.append(_judged(test, model, operator, listed))
    return found


def _operator(model: Any) -> str:
    nodes = {n.op_type for n in model.graph.node}
    return nodes.pop() if len(nodes) == 1 else "several"


def _judged(test: Any, model: Any, operator: str, listed: tuple[str, ...]) -> Case | Skipped:
    rule = _rule(test, model, operator, listed)
    if rule is not None:
        return Skipped(test.name, operator, rule)
    given, expected = (
        [numpy_helper.to_array(v) if isinstance(v, TensorProto) else np.asarray(v) for v in values]
        for values in test.data_sets[0]
    )
    if any(v.size == 0 for v in (*given, *expected)):
        return Skipped(test.name, operator, "a tensor without elements")
    names = [v.name for v in model.graph.input]
    inputs = dict(zip(names, given, strict=True))
    return Case(test.name, operator, model, inputs, tuple(expected), test.rtol, test.atol)


def _rule(test: Any, model: Any, operator: str, listed: tuple[str, ...]) -> str | None:
    """The rule that takes a test out of the count; None where there is none."""
    versions = [e.version for e in model.opset_import if e.domain in ("", "ai.onnx")]
    ends = [*model.graph.input, *model.graph.output]
    are_tensors = all(v.type.WhichOneof("value") == "tensor_type" for v in ends)
    rules: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("operator not in the list", lambda: operator not in listed),
        (f"opset before {OLDEST_OPSET}", lambda: not versions or versions[0] < OLDEST_OPSET),
        ("values that are no tensors", lambda: not are_tensors),
        ("element types other than float32 and int8", lambda: not _counts(model)),
        ("dynamic shapes", lambda: _is_dynamic(model)),
        ("training", lambda: _trains(test, model)),
    )
    return next((rule for rule, applies in rules if applies()), None)


def _counts(model: Any) -> bool:
    """It is about float32, int8 or bool: its first operand is, or else its result."""
    inputs, outputs = (
        [v.type.tensor_type.elem_type for v in values]
        for values in (model.graph.input, model.graph.output)
    )
    subject = inputs[0] if inputs and inputs[0] in COUNTED else outputs[0]
    return subject in COUNTED and all(c in (*COUNTED, *BESIDE) for c in (*inputs, *outputs))


def _is_dynamic(model: Any) -> bool:
    types = [v.type.tensor_type for v in model.graph.input]
    return any(not t.HasField("shape") or any(d.dim_param for d in t.shape.dim) for t in types)


def _trains(test: Any, model: Any) -> bool:
    """An attribute or an input says that the operator is run for training."""
    for node in model.graph.node:
        if any(a.name == "training_mode" and a.i for a in node.attribute):
            return True
        if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]:
            values = dict(
                zip((v.name for v in model.graph.input), test.data_sets[0][0], strict=True)
            )
            return bool(np.any(values.get(node.input[2], False)))
    return False
