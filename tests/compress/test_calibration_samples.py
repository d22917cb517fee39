from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from float_networks import Layers, branches

from midge.compress import take_samples
from midge.errors import UserError
from midge.graph import DType, Graph
from midge.graph.ops.gather import Gather

pytestmark = pytest.mark.tiny


def image(layout: bool = False) -> Graph:
    net = Layers()
    x = net.builder.input("x", (1, 4, 3, 2), DType.FLOAT32)
    graph = net.graph("image", [x], [net.conv("conv", x, 2)])
    # As if it came from [1, 2, 4, 3], channels first.
    return replace(graph, layouts={"x": (0, 2, 3, 1)}) if layout else graph


def tokens() -> Graph:
    net = Layers()
    x = net.builder.input("ids", (1, 5), DType.INT32)
    table = net.constant("table", np.ones((7, 4)))
    return net.graph("tokens", [x], [net.op("embed", Gather(axis=0), table, x)])


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "array": lambda x: x,
    "float64": lambda x: x.astype(np.float64),
    "by name": lambda x: {"x": x},
    "list of batches": lambda x: [x[:3], x[3:]],
    "one by one": list,
    "pairs": lambda x: [(x[:3], np.arange(3)), (x[3:], np.arange(3, 6))],
    "pair of arrays": lambda x: (x, np.arange(6)),
    "with a one in front": lambda x: x[:, None],
    "generator": lambda x: (part for part in np.split(x, 3)),
    "singles of a loader": lambda x: [(x[:2],), (x[2:],)],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_samples(form: str) -> None:
    x = np.random.default_rng(0).standard_normal((6, 4, 3, 2)).astype(np.float32)
    given = FORMS[form](x)
    if form == "one by one":
        given = [{"x": row[None]} for row in x]
    taken = take_samples(image(), given)
    assert len(taken) == 6
    for row, sample in zip(x, taken.samples, strict=True):
        assert sample["x"].dtype == np.float32
        assert np.array_equal(sample["x"], row[None])
    if form.startswith("pair"):
        assert taken.labels is not None
        assert taken.labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_samples_come_in_the_order_of_the_source() -> None:
    x = np.random.default_rng(0).standard_normal((3, 2, 4, 3)).astype(np.float32)
    for given in (x, x[:, None]):
        taken = take_samples(image(layout=True), given)
        assert np.array_equal(taken.samples[1]["x"][0], x[1].transpose(1, 2, 0))
    with pytest.raises(UserError, match=r"has shape \[3, 4, 3, 2\]; expected \[n, 2, 4, 3\]"):
        take_samples(image(layout=True), x.transpose(0, 2, 3, 1))


def test_labels_may_be_given_beside() -> None:
    taken = take_samples(image(), np.zeros((3, 4, 3, 2)), [2, 0, 1])
    assert taken.labels is not None
    assert taken.labels.tolist() == [2, 0, 1]
    few = taken.at_most(2)
    assert few.labels is not None
    assert few.labels.tolist() == [2, 0]
    assert taken.at_most(2, stream=True).samples == taken.samples[:2]
    assert taken.at_most(3) is taken


def test_indices_stay_integers() -> None:
    taken = take_samples(tokens(), np.zeros((2, 5), np.int64))
    assert taken.samples[0]["ids"].dtype == np.int32


def failing() -> Iterator[np.ndarray]:
    yield np.zeros((2, 4, 3, 2))
    yield np.zeros((2, 4, 3, 5))


def spoiled(value: float) -> np.ndarray:
    x = np.zeros((5, 4, 3, 2), np.float32)
    x[3, 1, 2, 0] = value
    return x


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((5, 3, 4, 2)), r"input 'x': has shape \[5, 3, 4, 2\]; expected \[n, 4, 3, 2\]"),
        (np.zeros((4, 3, 2)), r"has shape \[4, 3, 2\]; expected \[n, 4, 3, 2\], n at least 1"),
        (np.zeros((0, 4, 3, 2)), "n at least 1"),
        (np.float32(1), r"has shape \[\]"),
        ([], "calibration samples: found none; expected at least one, better 16 or more"),
        (failing(), r"has shape \[2, 4, 3, 5\]"),
        (spoiled(np.nan), r"input 'x': sample 3 holds nan at \[1, 2, 0\]; expected finite numbers"),
        (spoiled(np.inf), "sample 3 holds inf"),
        ([np.zeros((2, 4, 3, 2)), spoiled(-np.inf)], "sample 5 holds -inf"),
        (np.full((2, 4, 3, 2), 1e300), "sample 0 holds inf"),
        (np.full((2, 4, 3, 2), "a"), "holds <U1; expected float32"),
        (np.zeros((2, 4, 3, 2), np.complex64), "holds complex64; expected float32"),
        (np.array([None, object()]), "holds object; expected float32"),
        (None, "found NoneType; expected an array"),
        (7, "found int; expected an array"),
        ("x.npy", "found str; expected an array"),
        ({"y": np.zeros((2, 4, 3, 2))}, r"inputs are named \['y'\]; image has \['x'\]"),
        ({}, r"inputs are named \[\]"),
        ([[[1, 2], [3]], [[1]]], "calibration samples: input 'x'"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        take_samples(image(), given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((2, 5)), "input 'ids': holds float64; expected int32"),
        (np.full((2, 5), 2**40), "int32 is from"),
        (np.zeros((2, 5), bool), "holds bool; expected int32"),
    ],
)
def test_indices_are_not_made_of_other_types(given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        take_samples(tokens(), given)


@pytest.mark.parametrize("labels", [[0, 1], [0.5, 1, 2], [[0], [1], [2], [3]], "abc"])
def test_labels_are_an_integer_a_sample(labels: Any) -> None:
    with pytest.raises(UserError, match="calibration samples: labels"):
        take_samples(image(), np.zeros((3, 4, 3, 2)), labels)


def test_several_inputs_are_named_and_of_one_length() -> None:
    graph = branches()
    with pytest.raises(
        UserError, match=r"branches has 2 inputs; give arrays by name: \['x', 'z'\]"
    ):
        take_samples(graph, np.zeros((2, 4, 4, 3)))
    rows = {"x": np.zeros((2, 4, 4, 3)), "z": np.zeros((3, 5))}
    with pytest.raises(UserError, match="inputs differ in their number of samples"):
        take_samples(graph, rows)
