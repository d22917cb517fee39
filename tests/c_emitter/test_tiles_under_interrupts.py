"""What a tile keeps below its stack pointer, or in the FPU, an interrupt may destroy at any time."""

from __future__ import annotations

import numpy as np
import pytest
from test_dot_tiles import TILED
from test_kernel_variants import fitting
from unicorn import UC_HOOK_CODE, arm_const
from unicorn.unicorn_py3.unicorn import Uc

from midge.c_emitter import Kernel
from midge.graph import Rounding, interpret, outputs_of
from midge.virtual_mcu import UnicornMachine
from support.layer_bench import Bench, build_layers
from support.networks import join

_FPU = [getattr(arm_const, f"UC_ARM_REG_S{i}") for i in range(32)]
_PUSHED = 256
"""Bytes that an interrupt and what it calls write below the stack pointer."""
_EVERY = 23
"""Instructions from one interrupt to the next, on average: a prime, so that loops are met all over."""


class Interrupts:
    """Fires at random instructions: destroys what lies below the stack, and the FPU's registers."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.fired = 0

    def __call__(self, uc: Uc, _address: int, _size: int, _data: object) -> None:
        if self.random.integers(_EVERY):
            return
        self.fired += 1
        stack = uc.reg_read(arm_const.UC_ARM_REG_SP)
        assert stack % 4 == 0
        # The core aligns to eight bytes before it pushes.
        stack -= stack % 8
        uc.mem_write(stack - _PUSHED, self.random.bytes(_PUSHED))
        for register in self.random.choice(_FPU, 4, replace=False).tolist():
            uc.reg_write(register, int(self.random.integers(1 << 32)))


@pytest.mark.parametrize(
    "kernel",
    TILED,
    ids=lambda k: f"{k.kinds[0]}-{k.variant}",
)
def test_interrupts_at_random_instructions_change_nothing(kernel: Kernel) -> None:
    networks = [made for made, _ in fitting(kernel, Rounding.TFLITE_DOUBLE)]
    smallest = sorted(networks, key=lambda made: made.name)[:4]
    joined = join(smallest)
    artifact = build_layers(joined.graph, (kernel,) * len(joined.graph.ops), Bench("cortex-m4"))
    machine = UnicornMachine(artifact.built)
    interrupts = Interrupts(len(kernel.variant))
    machine._engine._uc.hook_add(UC_HOOK_CODE, interrupts)
    sample = joined.sample(3)
    (run,) = machine.run([artifact.to_bytes(sample)])
    device = artifact.from_bytes(run.outputs)
    expected = outputs_of(artifact.graph, interpret(artifact.graph, sample))
    assert interrupts.fired > 20
    for name, values in expected.items():
        assert np.array_equal(device[name], values), joined.network_of(name).description
