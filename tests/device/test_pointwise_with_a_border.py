"""`conv_2d_s8.h` where a 1x1 kernel has a border, which it has from a PAD that it takes over."""

from __future__ import annotations

import numpy as np

from midge.driver.samples import random_sample
from midge.graph import interpret
from midge.graph.ops.conv_2d import Conv2D
from midge.synthetic.model_description import Conv2DOptions
from midge.synthetic.network_builder import NetworkBuilder
from support.kernels import compile_with
from support.networks import INPUT, bell_weights, imported, network

FILE = "conv_2d_s8.h"
"""The kernel, whose mutants this test judges."""


def test_the_border_is_not_read_from_the_image() -> None:
    def add(builder: NetworkBuilder) -> str:
        x = builder.pad(builder.input((1, 3, 4, 5), INPUT), ((0, 0), (1, 2), (2, 1), (0, 0)))
        return builder.conv_2d(x, bell_weights(builder, (6, 1, 1, 5)), Conv2DOptions("VALID"))

    graph = imported(network("padded_1x1", add))
    artifact = compile_with("portable", graph, "cortex-m0plus")
    (op,) = artifact.graph.ops
    assert isinstance(op.attributes, Conv2D)
    assert (op.attributes.pad_before, op.attributes.pad_after) == ((1, 2), (2, 1))
    assert [kernel.source for kernel in artifact.choice if kernel] == [FILE]
    for seed in range(5):
        sample = random_sample(artifact.graph, seed)
        found = artifact.run(sample).outputs
        (name,) = artifact.graph.outputs
        np.testing.assert_array_equal(found[name], interpret(graph, sample)[name])
