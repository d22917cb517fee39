"""Random networks: NumPy interpreter, TFLite Micro and emulated C give the same bytes.

`python -m bench.soak` runs any number of them. A failure prints the seed; hypothesis shrinks those
that it finds.
"""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import midge
from midge.synthetic import OPERATORS, SyntheticNetwork, random_network
from midge.synthetic.model_description import Fields
from midge.synthetic.network_builder import NetworkBuilder
from support.differential import Machine, check_against_oracle, check_on_device, graph_of
from support.networks import single_ops
from support.tools import COMPILERS, needs_qemu

NETWORKS = 120
"""Twice each core with each type; `python -m bench.soak` runs thousands."""
CORES = ("cortex-m4", "cortex-m0plus", "rv32imc", "cortex-m3", "cortex-m33", "cortex-m7")
DTYPES = ("int8", "int8", "int16", "int8", "float32")
EVERY_OPERATOR = (*OPERATORS, "FILL")  # as `tests/synthetic` holds the list of single ones to be


def machine_for(seed: int) -> Machine:
    """Rotate cores; every fifth network is built by GCC, every twentieth runs on QEMU."""
    core = CORES[seed % len(CORES)]
    gcc = "riscv64-unknown-elf-gcc" if core.startswith("rv") else "arm-none-eabi-gcc"
    qemu = "qemu-system-riscv32" if core.startswith("rv") else "qemu-system-arm"
    cc = "gcc" if seed % 5 == 0 and shutil.which(gcc) else "zig"
    emulator = "qemu" if seed % 20 == 0 and shutil.which(qemu) else "unicorn"
    return Machine(core, cc, emulator)


def made(seed: int) -> SyntheticNetwork:
    """One in five of ordinary convolutional networks, the others over the whole list."""
    if seed % 5 == 1:
        return random_network(seed)
    return random_network(seed, ops=OPERATORS, dtype=DTYPES[seed // 6 % len(DTYPES)])


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_three_answers_agree(seed: int) -> None:
    network = made(seed)
    graph = graph_of(network)
    check_against_oracle(network, graph, range(5))
    check_on_device(network, graph, machine_for(seed), range(5))


@given(data=st.data())
@settings(
    max_examples=100,
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)
def test_interpreter_and_oracle_agree_on_what_hypothesis_draws(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(DTYPES))
    network = random_network(
        lambda low, high: data.draw(st.integers(low, high)),
        max_ops=4,
        max_elements=256,
        ops=OPERATORS,
        dtype=dtype,
    )
    check_against_oracle(network, graph_of(network), range(3))


@pytest.mark.parametrize("operator", EVERY_OPERATOR)
def test_each_operator_alone_agrees_with_the_oracle(operator: str) -> None:
    networks = single_ops(operator)
    assert networks
    for network in networks:
        check_against_oracle(network, graph_of(network), range(5))


def test_a_layer_in_which_nothing_is_left_to_do_is_still_called() -> None:
    """A pool of single pixels, in place: GCC saw that it does nothing, and dropped it."""
    machine = machine_for(0)
    network = random_network(333)
    check_on_device(network, graph_of(network), Machine("cortex-m4", machine.cc), range(2))


@needs_qemu
@pytest.mark.parametrize("cc", COMPILERS)
def test_subnormals_survive_on_the_core_with_a_vector_unit(cc: str) -> None:
    """Helium's float instructions would flush them to zero; a compiler must not vectorise floats."""
    builder = NetworkBuilder(seed=1)
    x = builder.input((1, 64), None, "float32")
    real = builder.values(x) * 2
    y = builder.operator(
        "ADD", (x, x), Fields("AddOptions"), real, None, dtype="float32", version=2
    )
    graph = graph_of(SyntheticNetwork("subnormals", builder.build([y])))
    values = (np.arange(64, dtype=np.float32) * np.float32(1e-41)).reshape(1, 64)
    found = midge.compile(graph, target="cortex-m55", cc=cc).run(values).outputs
    assert np.asarray(found).tobytes() == (values + values).tobytes()
