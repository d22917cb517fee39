"""float32 operators of single IEEE operations equal TFLite Micro in every bit of every element.

`support.float_bounds` measures against the largest element of a tensor, as sums need it; here
small elements beside large ones count too, and so do infinities and the sign of zeros.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from midge.driver.compare_layers import unequal_elements
from midge.synthetic.elementwise import LOGICAL, MEANINGS
from support.differential import graph_of, interpreter_outputs
from support.networks import every_single_op
from support.oracle import tflm_outputs_of_samples


def test_every_bit_is_that_of_the_oracle() -> None:
    compared: Counter[str] = Counter()
    for network in every_single_op():
        operator = network.name.split("/")[0]
        if operator not in MEANINGS or not network.has_floats:
            continue
        samples = [network.sample_inputs(seed) for seed in range(10)]
        ours = interpreter_outputs(graph_of(network), samples)
        theirs = tflm_outputs_of_samples(network.model_bytes, samples)
        for (a,), (b,) in zip(ours, theirs, strict=True):
            unequal = unequal_elements(np.ascontiguousarray(a), np.ascontiguousarray(b))
            assert not unequal.any(), network.description
        compared[operator] += 1
    assert min(compared[op] for op in MEANINGS if op not in LOGICAL) >= 3, compared
