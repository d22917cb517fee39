"""What stands at the ends of a network: inputs nobody reads, constants as outputs, any type."""

from __future__ import annotations

import numpy as np
import pytest

import midge
from midge.driver.samples import random_sample
from midge.graph import DType, Graph, Op, Quantization, Tensor, interpret, outputs_of, verify
from midge.graph.ops.add import Add
from midge.graph.ops.reshape import Reshape
from midge.importers import import_tflite
from midge.synthetic import ModelDescription, write_tflite
from midge.synthetic.model_description import AddOptions, Operator
from midge.synthetic.model_description import Quantization as FileQuantization
from midge.synthetic.model_description import Tensor as FileTensor
from support.tools import QEMU

CORES = ("cortex-m4", "rv32imc")
CODES = Quantization.per_tensor(0.5, 3)
CONSTANTS = {
    DType.INT8: [-128, 0, 127],
    DType.INT16: [-32768, 7, 32767],
    DType.INT32: [-(2**31), 1, 2**31 - 1],
    DType.INT64: [-(2**63), 2**40, 2**63 - 1],
    DType.UINT8: [0, 128, 255],
    DType.BOOL: [True, False, True],
    DType.FLOAT32: [-0.0, 1e-40, np.inf],
}


def int8(name: str, *shape: int, data: np.ndarray | None = None) -> Tensor:
    return Tensor(name, shape, DType.INT8, CODES, data)


def graph(
    tensors: list[Tensor], ops: list[Op], inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> Graph:
    return verify(Graph("net", {t.name: t for t in tensors}, tuple(ops), inputs, outputs))


def assert_runs(network: Graph, core: str, emulator: str = "unicorn") -> None:
    sample = random_sample(network)
    given = sample if len(sample) > 1 else next(iter(sample.values()))
    result = midge.compile(network, target=core).run(given, emulator=emulator)
    found = result.outputs
    for name, expected in outputs_of(network, interpret(network, sample)).items():
        value = found[name] if isinstance(found, dict) else found
        assert value.dtype == expected.dtype
        assert value.tobytes() == expected.tobytes(), name


@pytest.mark.parametrize("core", CORES)
def test_an_input_that_nobody_reads_keeps_its_place(core: str) -> None:
    a, unused, y = int8("a", 2, 3), int8("unused", 5), int8("y", 2, 3)
    network = graph([a, unused, y], [Op("add", Add(), ("a", "a"), ("y",))], ("unused", "a"), ("y",))
    assert_runs(network, core)


@pytest.mark.parametrize("core", CORES)
def test_an_input_may_be_an_output_and_an_output_stand_twice(core: str) -> None:
    a, y = int8("a", 2, 3), int8("y", 2, 3)
    ops = [Op("add", Add(), ("a", "a"), ("y",))]
    assert_runs(graph([a, y], ops, ("a",), ("a", "y", "y")), core)


@pytest.mark.parametrize("kind", CONSTANTS, ids=lambda kind: kind.value)
def test_a_constant_may_be_an_output(kind: DType) -> None:
    data = np.array(CONSTANTS[kind], kind.numpy)
    a, y = int8("a", 4), int8("y", 2, 2)
    constant = Tensor("c", (3,), kind, None, data)
    reshape = Op("reshape", Reshape(shape=(2, 2)), ("a",), ("y",))
    assert_runs(graph([a, y, constant], [reshape], ("a",), ("c", "y")), "cortex-m4")


@pytest.mark.parametrize("kind", CONSTANTS, ids=lambda kind: kind.value)
def test_inputs_and_outputs_of_any_type(kind: DType) -> None:
    a, y = Tensor("a", (2, 3), kind), Tensor("y", (6,), kind)
    network = graph([a, y], [Op("r", Reshape(shape=(6,)), ("a",), ("y",))], ("a",), ("y",))
    assert_runs(network, "cortex-m0plus")
    assert_runs(network, "rv32imc", QEMU)
    header = midge.compile(network).emitted.files["net.h"]
    name = {"float32": "float", "bool": "uint8_t"}.get(kind.value, f"{kind.value}_t")
    assert f"{name} *net_input(void *arena, unsigned index);" in header
    assert f"const {name} *net_output(const void *arena, unsigned index);" in header


def test_inputs_of_two_types_are_handed_out_as_void() -> None:
    a, b = int8("a", 4), Tensor("b", (3,), DType.FLOAT32)
    y, z = int8("y", 2, 2), Tensor("z", (3, 1), DType.FLOAT32)
    ops = [
        Op("first", Reshape(shape=(2, 2)), ("a",), ("y",)),
        Op("second", Reshape(shape=(3, 1)), ("b",), ("z",)),
    ]
    network = graph([a, b, y, z], ops, ("a", "b"), ("y", "z"))
    assert_runs(network, "cortex-m4")
    header = midge.compile(network).emitted.files["net.h"]
    assert "void *net_input(void *arena, unsigned index);" in header


def test_a_dynamic_batch_is_fixed_at_what_the_file_says() -> None:
    """Converters write 1 where the batch is open, and -1 in a signature that nobody needs here."""
    quantization = FileQuantization((0.5,), (0,))
    tensors = tuple(
        FileTensor(n, (1, 4), "int8", quantization, signature=(-1, 4)) for n in ("x", "y")
    )
    model = ModelDescription(
        tensors, (Operator("ADD", ("x", "x"), ("y",), AddOptions(), 2),), ("x",), ("y",)
    )
    network = import_tflite(write_tflite(model), "net.tflite")
    assert network.tensors["x"].shape == (1, 4)
    batch = np.arange(-8, 8, dtype=np.int8).reshape(4, 4)
    result = midge.compile(network).run(batch)
    assert np.asarray(result.outputs).shape == (4, 4)
