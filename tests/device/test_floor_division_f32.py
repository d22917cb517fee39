"""`floor_division_f32.h` on pairs of odd floats: subnormals, halves, infinities, far exponents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.driver.compare_layers import unequal_elements
from midge.graph import DType, Graph, Op, Tensor, interpret, outputs_of
from midge.graph.ops.floor_division import FloorDiv, FloorMod
from support.host_network import run_on_host

FILE = "floor_division_f32.h"
"""The kernel, whose mutants this test judges."""


def near_ties(seed: int) -> NDArray[np.uint32]:
    """Bits of pairs whose quotients, of 46 to 48 bits, lie as near to a tie of float32 as any can.

    With mantissas a and b that is ``a * 2**24 = odd * b + r`` where r is 1 or -1.
    """
    rng = np.random.default_rng(seed)
    pairs = []
    for number, divisor in enumerate(rng.integers(2**22, 2**23, 6000).tolist()):
        # Half of them near a power of two, where the distance is one unit of the quotient.
        b = 2 * divisor + 1 if number % 2 else 2**23 + divisor // 8 | 1
        r = 1 if number % 4 < 2 else -1
        odd = pow(-r * b, -1, 2**24) + 2**24
        a = (odd * b + r) >> 24
        if a < 2**24:
            exponent = (46 + number % 3 + 127) << 23
            sign = (number % 5 % 2) << 31
            pairs.append((sign | exponent | a - 2**23, 127 << 23 | b - 2**23))
    return np.array(pairs, np.uint32)


def operands() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Every pair of special numbers; then pairs of all exponents, of near ones, and whole ones."""
    special = [0, 1, 2, 3, 0x3FFFFF, 0x400000, 0x7FFFFF, 0x800000, 0x800001, 0xFFFFFF, 0x1000000]
    special += [0x3F000000, 0x3F7FFFFF, 0x3F800000, 0x3F800001, 0x40400000, 0x4B000000, 0x4B7FFFFF]
    special += [0x4E000001, 0x59800001, 0x5A000003, 0x7F000000, 0x7F7FFFFF, 0x7F800000, 0x7FC00000]
    bits = np.array([*special, *(b | 0x80000000 for b in special)], np.uint32)
    pairs = np.stack(np.meshgrid(bits, bits), axis=-1).reshape(-1, 2)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 2**32, (60_000, 2)).astype(np.uint32)
    near = drawn.copy()
    # The dividend's exponent is at most 70 over the divisor's, or a little under it.
    exponents = near[:, 1] >> 23 & 0xFF
    exponents = np.clip(exponents + rng.integers(-3, 71, len(near)), 0, 254).astype(np.uint32)
    near[:, 0] = near[:, 0] & 0x807FFFFF | exponents << 23
    subnormal = drawn[:20_000] & 0x81FFFFFF
    divisors = rng.integers(1, 4000, 20_000)
    multiples = np.stack([divisors * rng.integers(-4000, 4000, 20_000), divisors], axis=-1)
    whole = (multiples.astype(np.float32) * np.float32(2.0) ** -140).view(np.uint32)
    every = np.concatenate([pairs, drawn, near, subnormal, whole, near_ties(1)])
    return tuple(np.ascontiguousarray(every[:, i]).view(np.float32) for i in (0, 1))  # type: ignore[return-value]


def test_every_bit_of_quotients_and_remainders() -> None:
    a, b = operands()
    tensors = {name: Tensor(name, a.shape, DType.FLOAT32) for name in ("a", "b", "q", "r")}
    ops = (
        Op("00_floor_div", FloorDiv(), ("a", "b"), ("q",)),
        Op("01_floor_mod", FloorMod(), ("a", "b"), ("r",)),
    )
    graph = Graph("net", tensors, ops, ("a", "b"), ("q", "r"))
    sample = {"a": a, "b": b}
    expected = outputs_of(graph, interpret(graph, sample))
    found = run_on_host(graph, sample)
    for name in graph.outputs:
        wrong = np.flatnonzero(unequal_elements(found[name], expected[name]))
        assert not wrong.size, (
            name,
            wrong.size,
            a[wrong[:3]],
            b[wrong[:3]],
            found[name][wrong[:3]],
        )
