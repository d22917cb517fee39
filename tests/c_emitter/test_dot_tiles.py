"""Tiles are plain functions: the stack is a stack, the FPU is not touched; and what weights allow."""

from __future__ import annotations

import re

import numpy as np
import pytest
from test_kernel_variants import layers_of_kind

from midge.c_emitter import KERNELS, Kernel
from midge.c_emitter.tiles import dot_stream as dot
from midge.c_emitter.tiles.asm import Assembly, registers
from midge.graph import DType

TILED = list(
    dict.fromkeys(
        k
        for found in KERNELS.values()
        for k in found
        if type(k).tiles is not Kernel.tiles and k.requires == {"dsp"}
    )
)
"""Helium's have registers of their own: `test_helium.py`."""
_STACK = re.compile(
    r"(push|pop) \{.*\}|(add|sub)w? sp, sp, #(?P<bytes>\d+)|\w+ .*\[sp(, #\d+)?\](?!!)|"
    r"add \w+, sp, #\d+"
)


def instructions(text: str) -> list[str]:
    """Lines of assembly of a tile's C text."""
    return [line for line in re.findall(r'"(.*)\\n"', text) if not line.endswith(":")]


def tile_texts(kernel: Kernel) -> dict[str, str]:
    """Of the layers that the kernel computes."""
    found = {}
    for kind in kernel.kinds:
        for _, layer in layers_of_kind(kind):
            if layer.input(0).dtype in kernel.types and kernel.applies(layer):
                found |= {t.name: t.text for t in kernel.tiles(layer)}
    return found


@pytest.mark.parametrize("kernel", TILED, ids=lambda k: f"{k.kinds[0]}-{k.variant}")
def test_a_tile_uses_the_stack_as_a_stack_and_no_register_of_the_fpu(kernel: Kernel) -> None:
    texts = tile_texts(kernel)
    assert texts
    for name, text in texts.items():
        depth = 0
        for line in instructions(text):
            assert not re.match(r"v[a-z]+\b", line), f"{name}: {line}"
            if not re.search(r"\bsp\b", line) and not line.startswith(("push", "pop")):
                continue
            match = _STACK.fullmatch(line)
            assert match, f"{name}: {line}"
            sign = 1 if line.startswith(("push", "sub")) else -1
            if line.startswith(("push", "pop")):
                depth += sign * 4 * len(line[line.index("{") :].split(","))
            elif match["bytes"]:
                depth += sign * int(match["bytes"])
            # A function that may be interrupted, or call, keeps it on eight bytes below its saves.
        assert depth == 0, f"{name} leaves {depth} bytes"


def test_frames_keep_the_stack_on_eight_bytes() -> None:
    for kernel in TILED:
        for name, text in tile_texts(kernel).items():
            lines = instructions(text)
            pushed = [ln for ln in lines if ln.startswith("push")]
            frames = [ln for ln in lines if ln.startswith("sub sp")]
            if pushed:
                saved = sum(4 * len(ln.split(",")) for ln in pushed)
                frame = sum(int(ln.rsplit("#", 1)[1]) for ln in frames)
                assert (saved + frame) % 8 == 0, name


def test_pairs_of_weights_that_leave_a_halfword_are_not_mixed() -> None:
    assert dot.may_be_mixed(np.array([[-127, 127], [-127, 127]]))
    assert dot.may_be_mixed(np.array([[5, -128], [5, 1]]))
    assert not dot.may_be_mixed(np.array([[-1], [-128]]))
    assert dot.may_be_mixed(np.array([[-1], [-127], [-128]])), "the last stands beside a zero"


def test_lift_of_weights_ends_at_sixteen_bits() -> None:
    weights = np.array([[127, -1], [-128, 0], [0, 0], [1, 1]])
    assert dot.greatest_lift(weights).tolist() == [8, 7, 14, 14]


def test_registers_of_a_list_stand_in_order() -> None:
    assert registers(["r2", "r10", "lr"]) == "{r2, r10, lr}"
    with pytest.raises(ValueError, match="ascending"):
        registers(["r3", "r2"])


def test_dot_kernels_stand_for_int8_alone() -> None:
    for kernel in TILED:
        assert kernel.types == (DType.INT8,)


def test_long_functions_are_cut_where_no_condition_is_open() -> None:
    asm = Assembly()
    for _ in range(900):
        asm("itt lt", "movlt r0, #1", "movlt r1, #2", "add r0, r0, #1")
    text = asm.function("midge_long", "Long.", ("int32_t x",)).text
    statements = text.split("__asm__ volatile(")[1:]
    assert len(statements) > 2
    for statement in statements:
        lines = re.findall(r'"(.*)\\n"', statement)
        assert sum(len(line) + 1 for line in lines) <= 4095
        assert lines[1] in {"itt lt", "add r0, r0, #1"}
    assert instructions(text).count("itt lt") == 900
