"""The emitted C under the sanitizers of this machine: no undefined behaviour, no byte too far."""

from __future__ import annotations

import shutil
from functools import cache

import pytest

from midge.synthetic import OPERATORS
from support.effort import sample_of
from support.networks import (
    join,
    mobile_chain,
    padded,
    residual_branches,
    single_ops,
    two_by_two,
)
from support.sanitized import run_checked, selftest, selftest_of_layers

NETWORKS = (*OPERATORS, "FILL", "networks")
MOST_LAYERS = 16
HAS_GCC = shutil.which("gcc") is not None
needs_gcc = pytest.mark.skipif(not HAS_GCC, reason="needs the system's gcc")


@cache
def files_of(name: str) -> dict[str, str]:
    """The self-test of single-operator networks of an operator, or of the larger networks.

    Unoptimised code under sanitizers takes a compiler a tenth of a second a layer: of operators
    with more than `MOST_LAYERS` cases a sample is taken.
    """
    if name == "networks":
        return selftest(join((mobile_chain(), residual_branches(), two_by_two(), padded())).graph)
    return selftest_of_layers(join(sample_of(single_ops(name), MOST_LAYERS)).graph)


def assert_clean(files: dict[str, str], *sanitizers: str) -> None:
    done = run_checked(files, *sanitizers)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.count(": equal, cycles 0\n") == 3


@pytest.mark.skipif(HAS_GCC, reason="the test below sees the same, and more, where gcc is")
@pytest.mark.parametrize("name", NETWORKS)
def test_no_undefined_behaviour(name: str) -> None:
    assert_clean(files_of(name), "undefined")


@needs_gcc
@pytest.mark.parametrize("name", NETWORKS)
def test_no_byte_too_far(name: str) -> None:
    assert_clean(files_of(name), "address", "undefined")


@needs_gcc
def test_a_byte_too_far_and_an_overflow_are_seen() -> None:
    # The sanitizers see into the emitted file: faults planted there end the run.
    files = selftest(join(single_ops("MAX_POOL_2D")[:2], "net").graph)
    loop = "for (int32_t k = columns.first; k < columns.last; k++) {"
    assert loop in files["net.c"]
    outside = files["net.c"].replace(
        loop, loop.replace("k < columns.last", "k < columns.last + 999")
    )
    assert run_checked({**files, "net.c": outside}, "address", "undefined").returncode != 0
    mean = "return sum > 0 ? (sum + count / 2) / count"
    files = selftest(join(single_ops("AVERAGE_POOL_2D")[:2], "net").graph)
    assert mean in files["net.c"]
    overflow = files["net.c"].replace(mean, "sum += INT32_MAX - 3; " + mean)
    for sanitizers in (("undefined",), ("address", "undefined")):
        assert run_checked({**files, "net.c": overflow}, *sanitizers).returncode != 0
    assert run_checked(files, "undefined").returncode == 0
