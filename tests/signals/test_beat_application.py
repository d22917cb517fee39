"""A network on a chain: what fits, what is refused, and how scores become a word."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from chain_support import FLAGS, pulse_train, small_application, small_chain, small_network
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.errors import UserError
from midge.graph import interpret
from midge.signals import Application, Decision
from midge.signals.batch import batched
from midge.signals.c_library import signal_text
from midge.signals.uplink import Uplink
from midge.toolchain import build_host_library

CHAIN = small_chain()
NETWORK = small_network(CHAIN)
DECISION = Decision(("N", "S", "V"), "N")


def test_scores_are_those_of_single_runs() -> None:
    application = small_application()
    found = CHAIN.detect(pulse_train(70)[0])
    scores = application.scores(found)
    assert len(found) > 70
    for beat in (0, 63, 64, len(found) - 1):
        given_arrays = {"window": found.windows[[beat]], "features": found.codes[[beat]]}
        expected = interpret(NETWORK, given_arrays)["scores"][0]
        np.testing.assert_array_equal(scores[beat], expected)


def test_a_network_is_widened_or_left_alone() -> None:
    wide = batched(NETWORK, 5)
    assert wide is not None
    assert wide.tensors["window"].shape == (5, CHAIN.window.count)
    tensors = dict(NETWORK.tensors)
    tensors["window"] = replace(tensors["window"], shape=(CHAIN.window.count,))
    assert batched(replace(NETWORK, tensors=tensors), 5) is None


SOURCE = """
int decide(const int8_t *scores, const int16_t *bias, int count, int normal, int below, int quality);
int decide(const int8_t *scores, const int16_t *bias, int count, int normal, int below, int quality) {
    const struct midge_decision said =
        midge_decide(scores, bias, (uint32_t)count, (uint32_t)normal, below, (uint8_t)quality);
    return (said.margin + 4096) * 512 + said.label * 2 + said.suspicious;
}
"""


@settings(max_examples=100)
@given(st.data())
def test_decisions_in_c_are_the_twins(data: st.DataObject) -> None:
    text = {"decide.c": signal_text(["decision.h"]) + SOURCE}
    library = ctypes.CDLL(str(build_host_library(text, flags=FLAGS, sanitizers=("undefined",))))
    count = data.draw(st.integers(2, 6))
    scores = np.asarray(data.draw(st.lists(st.integers(-128, 127), min_size=count, max_size=count)))
    bias = data.draw(st.lists(st.integers(-1024, 1024), min_size=count, max_size=count))
    names = tuple("abcdef"[:count])
    normal = data.draw(st.integers(0, count - 1))
    below, quality = data.draw(st.integers(-300, 300)), data.draw(st.sampled_from([0, 1, 4]))
    decision = Decision(names, names[normal], tuple(bias), below)
    label, margin, suspicious = decision.decide(
        scores.astype(np.int8)[None], np.asarray([quality], np.uint8)
    )
    stored, biases = scores.astype(np.int8), np.asarray(bias, np.int16)
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (stored, biases)]
    said = library.decide(*pointers, count, normal, below, quality)
    assert said == (int(margin[0]) + 4096) * 512 + int(label[0]) * 2 + int(suspicious[0])


def test_no_signal_is_never_suspicious() -> None:
    scores = np.asarray([[-100, 100, 0]] * 2, np.int8)
    _, margin, suspicious = DECISION.decide(scores, np.asarray([0, 1], np.uint8))
    assert margin.tolist() == [-200, -200]
    assert suspicious.tolist() == [True, False]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Decision(("N",), "N"), "1 classes; expected 2 to 255"),
        (lambda: Decision(("N", "V"), "S"), "normal class 'S' is none of N, V"),
        (lambda: Decision(("N", "V"), "N", (1,)), "1 biases for 2 classes"),
        (lambda: Decision(("N", "V"), "N", (0, 5000)), "5000 is out of reach of int8 scores"),
    ],
)
def test_decisions_that_make_no_sense_are_refused(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("application", "message"),
    [
        (lambda: Application(CHAIN, NETWORK, Decision(("N", "V"), "N")), "expected int8 with 2"),
        (
            lambda: Application(small_chain(window_stride=3), NETWORK, DECISION),
            r"tensor 'window' is int8 \[1, 36\]; expected int8 with 48 elements, the chain's window",
        ),
        (
            lambda: Application(
                CHAIN,
                replace(
                    NETWORK,
                    tensors={n: t for n, t in NETWORK.tensors.items() if n != "window"}
                    | {"picture": replace(NETWORK.tensors["window"], name="picture")},
                    inputs=("picture", "features"),
                    ops=tuple(
                        replace(
                            op, inputs=tuple("picture" if n == "window" else n for n in op.inputs)
                        )
                        for op in NETWORK.ops
                    ),
                ),
                DECISION,
            ),
            "input 'picture' is unknown; expected names out of window, template, features",
        ),
        (
            lambda: replace(small_application(), uplink=Uplink(250, 1, 1, payload_bytes=3)),
            "Uplink.rate_hz is 250; expected that of the chain, 360",
        ),
        (
            lambda: small_application().send(np.zeros(9, np.int16)),
            "sends nothing; give it an Uplink",
        ),
    ],
)
def test_networks_that_do_not_fit_are_refused(application: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        application()  # type: ignore[operator]
