"""The four MLPerf Tiny networks: golden file, TFLite Micro, tflite-runtime and Midge.

Byte for byte: the outputs of a share of the golden samples, and every tensor of the first one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tflite

from bench.mlperf_tiny import Golden, Network
from bench.second_oracle_answers import (
    OUTPUTS,
    Answer,
    Array,
    Comparison,
    SecondOracle,
    midge_answer,
    tflm_answer,
    tflm_computed,
)

REAL_SAMPLES, RANDOM_SAMPLES = 24, 6
"""Taken of each network's golden file, the real ones evenly spread."""


@dataclass(frozen=True)
class ModelRow:
    """One network.

    Attributes:
        name: MLPerf Tiny's short name.
        real: Real samples.
        random: Samples of random bytes.
        golden: TFLite Micro against the golden file.
        second: tflite-runtime against TFLite Micro.
        midge: Midge's interpreter against TFLite Micro.
        tensors: Computed tensors of the first sample.
        tensor_elements: Of them.
        overwritten: Tensors that tflite-runtime shows with the result of the ADD that reads them.
        unexplained: Other tensors that differ, by index.
    """

    name: str
    real: int
    random: int
    golden: Comparison
    second: Comparison
    midge: Comparison
    tensors: int
    tensor_elements: int
    overwritten: tuple[int, ...]
    unexplained: tuple[int, ...]

    @property
    def explained(self) -> bool:
        """Whether outputs are equal, and every tensor is equal or overwritten."""
        equal = self.golden.equal and self.second.equal and self.midge.equal
        return equal and not self.unexplained


def compare_model(
    network: Network, second: SecondOracle, advance: Callable[[str], None]
) -> ModelRow:
    """Run one network on its share of samples.

    Args:
        network: Which.
        second: tflite-runtime's worker.
        advance: Told after each of the three answers who has given it.

    Raises:
        UserError: The model or its golden file is not there.
        ToolError: tflite-runtime's worker ended, or refuses the model.
    """
    model = network.path.read_bytes()
    graph = network.load()
    golden = _share(network.golden())
    shape = graph.tensors[graph.inputs[0]].shape
    samples = [(np.ascontiguousarray(x).reshape(shape),) for x in golden.inputs]
    expected = tflm_answer(model, samples)
    advance(f"{network.name}, TFLite Micro")
    found = second.answer(model, samples)
    advance(f"{network.name}, tflite-runtime")
    ours = midge_answer(model, samples)
    advance(f"{network.name}, Midge")
    tensors = tflm_computed(model, samples[0])
    shown = dict(zip(tensors, second.tensors(model, samples[0], list(tensors)), strict=True))
    overwritten, unexplained = _differing(model, tensors, shown)
    recorded = Answer(OUTPUTS, tuple((y,) for y in golden.outputs))
    return ModelRow(
        name=network.name,
        real=golden.real,
        random=len(golden.inputs) - golden.real,
        golden=Comparison.of(expected, recorded),
        second=Comparison.of(found, expected),
        midge=Comparison.of(ours, expected),
        tensors=len(tensors),
        tensor_elements=sum(tensor.size for tensor in tensors.values()),
        overwritten=overwritten,
        unexplained=unexplained,
    )


def _share(golden: Golden) -> Golden:
    real = np.linspace(0, golden.real - 1, min(REAL_SAMPLES, golden.real)).astype(int)
    random = np.arange(golden.real, min(golden.real + RANDOM_SAMPLES, len(golden.inputs)))
    picked = np.concatenate([real, random])
    return Golden(golden.inputs[picked], golden.outputs[picked], len(real), golden.digest)


def _differing(
    model: bytes, expected: dict[int, Array], shown: dict[int, Array]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tensors that differ: those that hold an ADD's result instead, and the rest."""
    root = tflite.Model.GetRootAs(model, 0)
    graph = root.Subgraphs(0)
    results: dict[int, list[int]] = {}
    for index in range(graph.OperatorsLength()):
        op = graph.Operators(index)
        code = root.OperatorCodes(op.OpcodeIndex())
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if builtin == tflite.BuiltinOperator.ADD:
            for operand in (op.Inputs(0), op.Inputs(1)):
                results.setdefault(operand, []).append(op.Outputs(0))
    differing = [i for i in expected if not np.array_equal(shown[i], expected[i])]
    overwritten = tuple(
        i
        for i in differing
        if any(np.array_equal(shown[i], expected[sum_]) for sum_ in results.get(i, []))
    )
    return overwritten, tuple(i for i in differing if i not in overwritten)
