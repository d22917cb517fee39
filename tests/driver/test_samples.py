from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from midge.driver.samples import random_sample, take_samples
from midge.errors import UserError
from midge.graph import Graph
from support.networks import dense, imported, two_by_two

pytestmark = pytest.mark.tiny

DENSE, TWO = imported(dense(), "dense"), imported(two_by_two(), "two")
IMAGE, PIXEL = (1, 4, 4, 3), (1, 1, 1, 3)


def zeros(*shape: int, dtype: Any = np.int8) -> Any:
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("graph", "inputs", "message"),
    [
        (
            *(DENSE, zeros(1, 9)),
            "input 'input_0' has shape [1, 9]; expected [1, 8], or a batch [n, 8]",
        ),
        (DENSE, zeros(0, 8), "has shape [0, 8]; expected [1, 8], or a batch [n, 8]"),
        (DENSE, zeros(2, 3, 8), "has shape [2, 3, 8]; expected [1, 8], or a batch [n, 8]"),
        (DENSE, zeros(), "has shape []; expected [1, 8]"),
        (DENSE, zeros(1, 8, dtype=np.uint8), "input 'input_0' is uint8; expected int8"),
        (DENSE, zeros(1, 8, dtype=np.int64), "input 'input_0' is int64; expected int8"),
        (DENSE, zeros(1, 8, dtype="U3"), "input 'input_0' is <U3; expected int8"),
        (
            *(DENSE, zeros(1, 8, dtype=np.float32)),
            "is float32; expected int8. Quantise it first: round(x / 0.0500000007) + -3, "
            "clipped to -128 .. 127",
        ),
        (DENSE, {"x": zeros(1, 8)}, "inputs are named ['x']; dense has ['input_0']"),
        (DENSE, {}, "inputs are named []; dense has ['input_0']"),
        (TWO, zeros(*IMAGE), "two has 2 inputs; give each by name: ['input_0', 'input_1']"),
        (TWO, {"input_0": zeros(*IMAGE)}, "inputs are named ['input_0']; two has"),
        (
            TWO,
            {"input_0": zeros(*IMAGE), "input_1": zeros(*PIXEL), "input_2": zeros(1)},
            "inputs are named ['input_0', 'input_1', 'input_2']; two has",
        ),
        (
            TWO,
            {"input_0": zeros(3, *IMAGE[1:]), "input_1": zeros(2, *PIXEL[1:])},
            "inputs differ in their number of samples: {'input_0': 3, 'input_1': 2}",
        ),
        (
            TWO,
            {"input_0": zeros(3, *IMAGE[1:]), "input_1": zeros(*PIXEL[1:])},
            "inputs differ in their number of samples: {'input_0': 3, 'input_1': None}",
        ),
    ],
)
def test_arrays_that_do_not_fit(graph: Graph, inputs: Any, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        take_samples(graph, inputs)


def test_one_sample_with_and_without_its_leading_one() -> None:
    x = np.arange(8, dtype=np.int8)
    for given in (x, x[None], {"input_0": x}):
        taken = take_samples(DENSE, given)
        assert not taken.batched
        assert taken.named is isinstance(given, dict)
        (sample,) = taken.samples
        assert np.array_equal(sample["input_0"], x[None])


def test_batch_along_axis_0() -> None:
    x = np.arange(24, dtype=np.int8).reshape(3, 8)
    for given in (x, x[:, None, :]):
        taken = take_samples(DENSE, given)
        assert taken.batched
        assert [s["input_0"].tolist() for s in taken.samples] == [[row.tolist()] for row in x]
    # A batch of one sample stays a batch where it can be told from a sample.
    assert take_samples(DENSE, x[:1, None, :]).batched
    outputs = [{DENSE.outputs[0]: np.full((1, 5), i, np.int8)} for i in range(3)]
    packed = take_samples(DENSE, x).pack(DENSE, outputs)
    assert np.array_equal(packed, np.repeat(np.arange(3, dtype=np.int8)[:, None], 5, axis=1))


def test_outputs_come_in_the_form_of_the_inputs() -> None:
    outputs = [{n: np.zeros(TWO.tensors[n].shape, np.int8) for n in TWO.outputs}]
    arrays = {"input_0": zeros(*IMAGE), "input_1": zeros(*PIXEL)}
    packed = take_samples(TWO, arrays).pack(TWO, outputs)
    assert {n: a.shape for n, a in packed.items()} == {n: TWO.tensors[n].shape for n in TWO.outputs}
    alone = take_samples(DENSE, zeros(1, 8)).pack(DENSE, [{DENSE.outputs[0]: zeros(1, 5)}])
    assert isinstance(alone, np.ndarray)
    named = take_samples(DENSE, {"input_0": zeros(1, 8)})
    assert list(named.pack(DENSE, [{DENSE.outputs[0]: zeros(1, 5)}])) == [DENSE.outputs[0]]


def test_random_samples_use_the_whole_type_and_repeat() -> None:
    first, again, other = (random_sample(TWO, seed)["input_0"] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    many = np.concatenate([random_sample(TWO, seed)["input_0"].ravel() for seed in range(400)])
    assert (many.min(), many.max(), many.dtype) == (-128, 127, np.int8)
    assert np.array_equal(take_samples(TWO, None).samples[0]["input_0"], first)
