"""`float_math` against float64 and C99's special values; what it promises is read off its text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from midge.graph import float_math

INF, NAN = math.inf, math.nan
SMALLEST, SMALLEST_NORMAL, LARGEST = 2.0**-149, 2.0**-126, (2.0 - 2.0**-23) * 2.0**127

UNARY: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "logistic": lambda x: np.exp(-np.logaddexp(0.0, -x)),
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf, otypes=[float]),
    "log": np.log,
    "sin": np.sin,
    "cos": np.cos,
}
"""Their truth in float64."""


def floats(*values: float) -> Any:
    return np.array(values, np.float32)


def every_exponent(count: int, seed: int = 0) -> Any:
    """For each sign and exponent the ends and `count` mantissas, so special values too."""
    drawn = np.random.default_rng(seed).integers(0, 2**23, (512, count))
    ends = np.broadcast_to(np.array([0, 1, 2**22, 2**23 - 1]), (512, 4))
    bits = (np.arange(512)[:, None] << 23) + np.concatenate([ends, drawn], axis=1)
    return bits.ravel().astype(np.uint32).view(np.float32)


def where_it_bends(seed: int = 1) -> Any:
    """Arguments of activations, of all sizes that matter, and around the borders of the cases."""
    generator = np.random.default_rng(seed)
    borders = floats(*(2.0**k for k in range(-27, 8)), 0.34657359, 0.70710678, 1.41421356, 88.7228)
    near = (borders.view(np.int32)[:, None] + np.arange(-300, 300)).astype(np.int32)
    borders = near.view(np.float32).ravel()
    drawn = [generator.uniform(-w, w, 30000).astype(np.float32) for w in (0.5, 2, 12, 110)]
    return np.concatenate([borders, -borders, *drawn])


def errors_in_ulp(found: Any, truth: Any) -> Any:
    """The distance to the truth in units of the last place that float32 has there."""
    with np.errstate(over="ignore"):
        rounded = truth.astype(np.float32)
    in_range = np.isfinite(rounded)
    assert np.array_equal(found[~in_range], rounded[~in_range], equal_nan=True)
    found, truth = found[in_range].astype(np.float64), truth[in_range]
    assert np.all(np.isfinite(found) | (np.abs(truth) > LARGEST * (1 - 2.0**-22)))
    exponent = np.maximum(np.frexp(truth)[1] - 24, -149)
    return np.abs(np.clip(found, -(2.0**128), 2.0**128) - truth) / np.ldexp(1.0, exponent)


def promised(name: str) -> float:
    text = getattr(float_math, name).__doc__
    found = re.search(r"within ([0-9.]+) ULP", text)
    assert found is not None, text
    return float(found[1])


@pytest.mark.parametrize("name", UNARY)
def test_error_is_within_what_the_docstring_says(name: str) -> None:
    x = np.concatenate([every_exponent(120), where_it_bends()])
    with np.errstate(all="ignore"):
        truth = UNARY[name](x.astype(np.float64))
    worst = errors_in_ulp(getattr(float_math, name)(x), truth).max()
    # Under a half everything would be correctly rounded: the sample would be too small.
    assert 0.5 < worst <= promised(name)


def test_error_of_power_is_within_what_the_docstring_says() -> None:
    generator = np.random.default_rng(2)
    around_one = generator.uniform(0.5, 2, 10**5).astype(np.float32)
    a = np.concatenate([np.abs(every_exponent(300)), around_one])
    a = a[np.isfinite(a) & (a > 0) & (a != 1)]
    # Results of every exponent, whatever the base.
    wanted = generator.uniform(-151, 129, a.size) / generator.choice([1, 20], a.size)
    with np.errstate(all="ignore"):
        b = (wanted / np.log2(a.astype(np.float64))).astype(np.float32)
        truth = np.power(a.astype(np.float64), b.astype(np.float64))
    usual = (truth > 2.0**-8) & (truth < 2.0**8)
    found = float_math.power(a, b)
    assert 1.0 < errors_in_ulp(found, truth).max() <= promised("power")
    assert errors_in_ulp(found[usual], truth[usual]).max() <= 0.6


def test_powers_that_are_floats_are_exact() -> None:
    a, b = np.meshgrid(np.arange(-20, 21), np.arange(6))
    assert np.array_equal(float_math.power(a.astype(np.float32), b.astype(np.float32)), a**b)
    exponents = np.arange(-149, 128)
    twos = float_math.power(floats(2.0), exponents.astype(np.float32))
    assert np.array_equal(twos, np.ldexp(1.0, exponents))


@pytest.mark.parametrize("name", [name for name in UNARY if name not in ("sin", "cos")])
def test_monotonic(name: str) -> None:
    x = every_exponent(100)
    x = np.unique(np.concatenate([x[~np.isnan(x)], where_it_bends()]))
    if name == "log":
        x = x[x >= 0]
    y = getattr(float_math, name)(x)
    if name == "logistic":  # but for its last place, as it says
        before = np.nextafter(y[:-1], np.float32(0))
        assert np.all(y[1:] >= before)
    else:
        assert np.all(y[1:] >= y[:-1])


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("exp", (0.0, -0.0, INF, -INF, NAN), (1.0, 1.0, INF, 0.0, NAN)),
        ("exp", (88.72283, 88.72284, LARGEST), (3.40279851e38, INF, INF)),
        ("exp", (-103.27893, -103.97208, -103.97209), (SMALLEST, SMALLEST, 0.0)),
        ("exp", (SMALLEST, -SMALLEST), (1.0, 1.0)),
        ("expm1", (0.0, -0.0, INF, -INF, NAN), (0.0, -0.0, INF, -1.0, NAN)),
        ("expm1", (SMALLEST, -SMALLEST_NORMAL, -50.0), (SMALLEST, -SMALLEST_NORMAL, -1.0)),
        ("logistic", (0.0, -0.0, INF, -INF, NAN), (0.5, 0.5, 1.0, 0.0, NAN)),
        ("logistic", (SMALLEST, LARGEST, -LARGEST), (0.5, 1.0, 0.0)),
        ("logistic", (-103.27893,), (SMALLEST,)),
        ("tanh", (0.0, -0.0, INF, -INF, NAN), (0.0, -0.0, 1.0, -1.0, NAN)),
        ("tanh", (SMALLEST, -SMALLEST_NORMAL, 9.1), (SMALLEST, -SMALLEST_NORMAL, 1.0)),
        ("erf", (0.0, -0.0, INF, -INF, NAN), (0.0, -0.0, 1.0, -1.0, NAN)),
        ("erf", (SMALLEST, -3 * SMALLEST, 4.0), (SMALLEST, -3 * SMALLEST, 1.0)),
        ("log", (0.0, -0.0, INF, -INF, NAN), (-INF, -INF, INF, NAN, NAN)),
        ("log", (1.0, -SMALLEST, SMALLEST), (0.0, NAN, -103.278929)),
        ("sqrt", (0.0, -0.0, INF, -INF, NAN), (0.0, -0.0, INF, NAN, NAN)),
        ("sqrt", (4.0, -SMALLEST, 2 * SMALLEST), (2.0, NAN, 2.0**-74)),
        ("sin", (0.0, -0.0, INF, -INF, NAN), (0.0, -0.0, NAN, NAN, NAN)),
        ("sin", (SMALLEST, -LARGEST), (SMALLEST, 0.521876524)),
        ("cos", (0.0, -0.0, INF, -INF, NAN), (1.0, 1.0, NAN, NAN, NAN)),
        ("cos", (SMALLEST, -LARGEST), (1.0, 0.853021026)),
        ("round_half_away", (0.0, -0.0, INF, -INF, NAN), (0.0, -0.0, INF, -INF, NAN)),
        ("round_half_away", (0.5, -0.5, 0.49999997, -0.1), (1.0, -1.0, 0.0, -0.0)),
        ("round_half_away", (1.5, 2.5, -2.5, 2.4999998), (2.0, 3.0, -3.0, 2.0)),
        ("round_half_away", (8388607.5, 8388609.0, -4194303.5), (8388608.0, 8388609.0, -4194304.0)),
    ],
)
def test_special_values(name: str, x: tuple[float, ...], y: tuple[float, ...]) -> None:
    assert_same(getattr(float_math, name)(floats(*x)), floats(*y))


def test_special_values_of_power_are_those_of_c() -> None:
    # C99 annex F.9.4.4, which Python's and NumPy's pow follow.
    special = floats(0, 1, 2, 3, 0.5, 1.5, 2**23 + 1, 2**24, 2**25, LARGEST, SMALLEST, INF, NAN)
    special = np.concatenate([special, -special])
    a, b = np.meshgrid(special, special)
    with np.errstate(all="ignore"):
        truth = np.power(a.astype(np.float64), b.astype(np.float64)).astype(np.float32)
    assert_same(float_math.power(a, b), truth)


def test_square_roots_and_quotients_are_correctly_rounded() -> None:
    a, b = every_exponent(40, 3), np.random.default_rng(4).permutation(every_exponent(40, 5))
    # Double rounding is innocuous from over twice the digits (Figueroa 1995) to normal numbers.
    with np.errstate(all="ignore"):
        roots = np.sqrt(a.astype(np.float64)).astype(np.float32)
        quotients = (a.astype(np.float64) / b).astype(np.float32)
    assert_same(float_math.sqrt(a), roots)
    normal = ~(np.abs(quotients) < SMALLEST_NORMAL)
    assert_same(float_math.divide(a, b)[normal], quotients[normal])
    assert_same(
        float_math.divide(floats(3, -5, 0, 0, 1, INF) * SMALLEST, floats(2, 2, 0, -1, 0, INF)),
        floats(2 * SMALLEST, -2 * SMALLEST, NAN, -0.0, INF, NAN),
    )


def test_rounding_is_floor_of_a_half_more() -> None:
    quarters = np.arange(-999, 999, dtype=np.float32) / np.float32(4)
    x = np.concatenate([every_exponent(40), where_it_bends(), quarters])
    x = x[np.isfinite(x)]
    wide = np.abs(x.astype(np.float64))
    assert_same(
        float_math.round_half_away(x), np.copysign(np.floor(wide + 0.5), x).astype(np.float32)
    )


@pytest.mark.parametrize("name", [*UNARY, "sqrt", "round_half_away"])
def test_any_layout_keeps_its_shape(name: str) -> None:
    function = getattr(float_math, name)
    x = np.random.default_rng(6).uniform(0.1, 5, (4, 6, 2)).astype(np.float32)
    y = function(x)
    assert y.dtype == np.float32
    assert_same(function(x[::2, ::-1].T), y[::2, ::-1].T)
    assert_same(function(x[0, 0, 0].reshape(())), y[0, 0, 0].reshape(()))
    assert function(x[:0]).shape == (0, 6, 2)


@pytest.mark.parametrize("name", ["power", "divide"])
def test_operands_broadcast(name: str) -> None:
    function = getattr(float_math, name)
    a, b = floats(0.5, 2.0, 3.0), floats(-1.0, 0.25)[:, None]
    y = function(a, b)
    assert (y.shape, y.dtype) == ((2, 3), np.float32)
    assert y[1, 2] == function(a[2:], b[1, :])[0]
    assert function(a[0].reshape(()), b[0, 0].reshape(())).shape == ()


def assert_same(found: Any, expected: Any) -> None:
    """Every bit, but that of NaN there is one."""
    assert (found.shape, found.dtype) == (expected.shape, np.float32)
    found, expected = (np.ascontiguousarray(v) for v in (found, expected))
    both_nan = np.isnan(found) & np.isnan(expected)
    same = (found.view(np.uint32) == expected.view(np.uint32)) | both_nan
    wrong = np.flatnonzero(~same)
    assert not wrong.size, (found.ravel()[wrong[:4]], expected.ravel()[wrong[:4]])
