from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import midge
from midge.c_emitter import emit_c
from midge.driver import Artifact
from midge.driver.samples import random_sample
from midge.errors import InternalError, UserError
from midge.graph import interpret, outputs_of
from midge.toolchain import build, find_compiler
from support.networks import Array, dense, imported, mobile_chain, two_by_two
from support.tools import QEMU


@pytest.fixture(scope="module")
def chain() -> Artifact:
    return midge.compile(imported(mobile_chain()), target="cortex-m0plus")


@pytest.fixture(scope="module")
def images() -> Array:
    return np.random.default_rng(2).integers(-128, 128, (7, 14, 14, 3)).astype(np.int8)


def test_counts_are_of_the_median_sample(chain: Artifact, images: Array) -> None:
    # Clamps are branches on this core, so that samples differ.
    singles = [chain.run(x) for x in images[:3]]
    batch = chain.run(images[:3])
    middle = sorted(singles, key=lambda result: result.instructions or 0)[1]
    assert len({result.instructions for result in singles}) == 3
    assert (batch.samples, middle.samples) == (3, 1)
    assert (batch.instructions, batch.cycles) == (middle.instructions, middle.cycles)
    assert batch.layers == middle.layers
    assert batch.ram_bytes.stack_peak == max(r.ram_bytes.stack_peak for r in singles)


def test_runs_repeat_exactly(chain: Artifact, images: Array) -> None:
    first, second = (chain.run(images).to_json() for _ in range(2))
    assert first == second
    assert chain.run().to_json() == chain.run().to_json()
    built_again = midge.compile(imported(mobile_chain()), target="cortex-m0plus")
    assert built_again.built == chain.built
    assert built_again.run(images).to_json() == first


def test_every_sample_of_a_batch_is_the_interpreters(chain: Artifact, images: Array) -> None:
    outputs = chain.run(images).outputs
    (name,) = chain.graph.inputs
    for x, y in zip(images, np.asarray(outputs), strict=True):
        (expected,) = outputs_of(chain.graph, interpret(chain.graph, {name: x[None]})).values()
        assert np.array_equal(y, expected[0])


def test_ram_and_flash_add_up(chain: Artifact) -> None:
    result = chain.run()
    ram, flash, program = result.ram_bytes, result.flash_bytes, chain.built
    assert (ram.arena, ram.state, ram.static) == (chain.plan.arena_bytes, 0, 0)
    assert program.arena_bytes == chain.plan.arena_bytes
    assert ram.stack_bound is not None
    assert 0 < ram.stack_peak <= ram.stack_bound
    assert (flash.code, flash.weights) == (program.code_bytes, program.weights_bytes)
    assert flash.weights >= chain.graph.constant_bytes()
    by_layer = sum(row.weights_bytes for row in result.layers)
    assert 0 <= flash.weights - by_layer < 64, "tables of the kernels, and gaps"
    assert sum(row.code_bytes for row in result.layers) < flash.code
    scratch = {row.name: row.scratch_bytes for row in result.layers if row.scratch_bytes}
    assert scratch.keys() == chain.plan.scratch_offsets.keys()


def test_outputs_by_name_where_the_inputs_were() -> None:
    artifact = midge.compile(imported(two_by_two()), target="cortex-m7")
    sample = random_sample(artifact.graph, 4)
    outputs = artifact.run(sample).outputs
    assert isinstance(outputs, dict)
    expected = outputs_of(artifact.graph, interpret(artifact.graph, sample))
    assert list(outputs) == list(artifact.graph.outputs)
    assert all(np.array_equal(outputs[n], expected[n]) for n in expected)
    for emulator in ("unicorn", QEMU):
        again = artifact.run(sample, emulator=emulator)
        assert again.to_json()["outputs"] == artifact.run(sample).to_json()["outputs"]
        assert again.instructions == artifact.run(sample).instructions


def test_target_that_nothing_builds_for_says_so() -> None:
    artifact = midge.compile(imported(dense()), target="esp32")
    assert artifact.program is None
    for ask in (artifact.run, artifact.open_machine, lambda: artifact.built):
        with pytest.raises(UserError, match=r"esp32: (nothing here emulates|no compiler here)"):
            ask()


def test_program_that_writes_outside_its_arena_is_caught() -> None:
    artifact = midge.compile(imported(dense()), target="cortex-m3")
    (y,) = artifact.graph.outputs
    plan = replace(artifact.plan, offsets={**artifact.plan.offsets, y: artifact.plan.arena_bytes})
    emitted = emit_c(artifact.graph, artifact.choice, plan, "0")
    compiler = find_compiler("zig", "cortex-m3")
    program = build(compiler, emitted.files, artifact.built.interface)
    with pytest.raises(InternalError, match="wrote outside its memory"):
        replace(artifact, plan=plan, emitted=emitted, program=program).run()
