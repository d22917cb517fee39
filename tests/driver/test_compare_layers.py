from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

import midge
from midge.driver import Artifact, Comparison, Difference, compare_layers
from midge.driver.samples import random_sample
from midge.errors import InternalError, UserError
from midge.graph import interpret
from midge.virtual_mcu import UnicornMachine
from support.faults import FlippedInstruction, flipped_instructions, with_flipped_bits
from support.kernels import compile_with
from support.networks import (
    Array,
    dense,
    imported,
    mobile_chain,
    padded,
    residual_branches,
    two_by_two,
)
from support.tools import needs_qemu


def with_flipped_weight(artifact: Artifact, tensor: str, at: int, bits: int) -> Artifact:
    """The artifact with another weight in its graph, and so in the interpreter."""
    weights = artifact.graph.tensors[tensor]
    values = np.array(weights.data)
    values.reshape(-1).view(np.uint8)[at] ^= bits
    tensors = {**artifact.graph.tensors, tensor: replace(weights, data=values)}
    return replace(artifact, graph=replace(artifact.graph, tensors=tensors))


@pytest.mark.parametrize("made", [mobile_chain, residual_branches, two_by_two, padded])
@pytest.mark.parametrize("core", ["cortex-m33", "rv32imac"])
def test_every_layer_of_sound_networks_is_equal(made, core: str) -> None:  # type: ignore[no-untyped-def]
    artifact = midge.compile(imported(made()), target=core)
    arrays = [random_sample(artifact.graph, seed) for seed in range(2)]
    batch = {n: np.concatenate([a[n] for a in arrays]) for n in artifact.graph.inputs}
    layers = sum(symbol is not None for symbol in artifact.emitted.layer_symbols)
    assert compare_layers(artifact, batch) == Comparison(layers, 2, None)


def test_difference_names_layer_element_and_both_values() -> None:
    artifact = compile_with("portable", imported(mobile_chain()), "cortex-m0plus")
    third = artifact.graph.ops[2]
    assert third.kind == "conv_2d"
    (tensor,) = third.outputs
    # The portable kernel reads the weights as they stand in the graph.
    faulty = with_flipped_bits(artifact, "net_02_conv_2d_weights", 5, 0x40)
    sample = random_sample(artifact.graph)
    sound = interpret(artifact.graph, sample)[tensor]
    # The bias that goes with the old weight stays: -x_zero * sum(weights) is folded in.
    x = artifact.graph.tensors[third.inputs[0]]
    spoilt = with_flipped_weight(artifact, third.inputs[1], 5, 0x40).graph
    weight_step = int(np.asarray(spoilt.tensors[third.inputs[1]].data).reshape(-1)[5]) - int(
        np.asarray(artifact.graph.tensors[third.inputs[1]].data).reshape(-1)[5]
    )
    bias = spoilt.tensors[third.inputs[2]]
    folded = np.array(bias.data)
    folded[5 // x.shape[3]] += x.zero_point * weight_step
    spoilt = replace(spoilt, tensors={**spoilt.tensors, bias.name: replace(bias, data=folded)})
    device = interpret(spoilt, sample)[tensor]
    unequal = np.argwhere(device != sound)
    assert len(unequal), "the fault must show"
    first = tuple(int(i) for i in unequal[0])
    found = compare_layers(faulty, sample)
    assert found.difference == Difference(
        sample=0,
        layer=third.name,
        tensor=tensor,
        index=first,
        device=int(device[first]),
        interpreter=int(sound[first]),
        count=len(unequal),
        size=sound.size,
    )
    assert str(found) == (
        f"differs: sample 0, layer {third.name}, tensor {tensor!r}, element {list(first)}: device "
        f"{device[first]}, interpreter {sound[first]}; {len(unequal)} of {sound.size} elements of "
        "this tensor differ"
    )


def first_that_shows(
    faults: Iterable[FlippedInstruction], sample: dict[str, Array], tensor: str
) -> tuple[FlippedInstruction, Array]:
    """The first fault that neither hangs nor crashes and changes an output, and that output."""
    for fault in faults:
        faulty = fault.artifact
        sound = interpret(faulty.graph, sample)[tensor]
        machine = UnicornMachine(faulty.built, timeout_s=5)
        try:
            (inference,) = machine.run([faulty.to_bytes(sample)])
        except InternalError:
            continue
        found = faulty.from_bytes(inference.outputs)[tensor]
        if np.any(found != sound):
            return fault, found
    raise AssertionError("no fault shows")


@pytest.mark.parametrize(
    ("core", "number", "before", "after"),
    [
        # Rounding and sums of the portable kernels.
        ("cortex-m0plus", 2, "adds", "subs"),
        ("cortex-m0plus", -1, "subs", "adds"),
        # Products of two pairs: each element with its neighbour's weight.
        ("cortex-m4", 2, "smlad", "smladx"),
        ("cortex-m4", -2, "smlad", "smladx"),
        # The upper half of a product.
        ("rv32imc", 1, "mul", "mulh"),
        ("rv32imc", 4, "mul", "mulh"),
    ],
)
def test_one_flipped_bit_of_a_kernels_code_is_found(
    core: str, number: int, before: str, after: str
) -> None:
    graph = imported(mobile_chain())
    layer = graph.ops[number]
    (tensor,) = layer.outputs
    # As an output of the network, the layer's result is read without stopping behind the layer.
    kept = tuple(dict.fromkeys((*graph.outputs, tensor)))
    variant = "dsp" if core == "cortex-m4" else "portable"
    artifact = compile_with(variant, replace(graph, outputs=kept), core)
    symbol = artifact.emitted.layer_symbols[number]
    assert symbol is not None
    sample = random_sample(artifact.graph)
    faults = tuple(flipped_instructions(artifact, symbol, before, after))
    # From the end: arithmetic on the results stands there, addresses at the beginning.
    fault, device = first_that_shows(reversed(faults), sample, tensor)
    sound = interpret(artifact.graph, sample)[tensor]
    unequal = np.argwhere(device != sound)
    first = tuple(int(i) for i in unequal[0])
    assert compare_layers(artifact, sample).difference is None
    assert compare_layers(fault.artifact, sample).difference == Difference(
        sample=0,
        layer=layer.name,
        tensor=tensor,
        index=first,
        device=int(device[first]),
        interpreter=int(sound[first]),
        count=len(unequal),
        size=sound.size,
    ), (fault.before, fault.after)


def test_difference_is_found_in_the_sample_that_shows_it() -> None:
    # The DSP kernel's weights start with four of the first output.
    artifact = compile_with("dsp", imported(dense()), "cortex-m4")
    faulty = with_flipped_bits(artifact, "net_00_fully_connected_weights", 3, 0x40)
    batch: Array = np.full((3, 8), 100, np.int8)
    # Stored zeros hide a weight, whatever it is.
    batch[:2, 3] = 0
    assert compare_layers(artifact, batch).difference is None
    difference = compare_layers(faulty, batch).difference
    assert difference is not None
    assert (difference.sample, difference.index[-1]) == (2, 0)
    assert compare_layers(faulty, batch[:2]).difference is None


@needs_qemu
def test_core_that_only_qemu_has_is_refused() -> None:
    artifact = midge.compile(imported(dense()), target="cortex-m55")
    with pytest.raises(UserError, match="layers are compared under Unicorn"):
        compare_layers(artifact)
