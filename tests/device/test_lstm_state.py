"""Quantised LSTM layers that start every run anew: their whole state begins at zero, nothing else."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from midge.c_emitter.amalgamate import kernel_text
from midge.toolchain import build_host_library

FILES = ("lstm_s16.h", "lstm_s8.h")
"""The kernels, whose mutants this test judges."""
SEQUENCES, UNITS, Y_ZERO, BEFORE = 2, 3, 7, 99
SOURCE = """
void start({type} *hidden, int16_t *cell, int32_t sequences, int32_t units, int32_t y_zero);
void start({type} *hidden, int16_t *cell, int32_t sequences, int32_t units, int32_t y_zero) {{
    const struct midge_lstm_{kind} p = {{
        .shape = {{.sequences = sequences, .units = units, .anew = 1}}, .cell = {{.y_zero = y_zero}}}};
    midge_lstm_{kind}({arguments}, &p);
}}
"""
ARGUMENTS = {
    "s8": "NULL, NULL, hidden, cell, NULL, NULL, NULL, NULL",
    "s16": "NULL, NULL, hidden, cell, NULL, NULL",
}


@pytest.mark.parametrize("kind", ["s8", "s16"])
def test_a_run_of_no_steps_sets_the_state_and_no_element_more(kind: str) -> None:
    stored = {"s8": np.int8, "s16": np.int16}[kind]
    source = SOURCE.format(type=f"{stored.__name__}_t", kind=kind, arguments=ARGUMENTS[kind])
    flags = ("-fvisibility=default",)
    path = build_host_library(
        {"start.c": "#include <stddef.h>\n" + kernel_text([f"lstm_{kind}.h"]) + source},
        flags=flags,
        sanitizers=("undefined",),
    )
    hidden = np.full(SEQUENCES * UNITS + 1, BEFORE, stored)
    cell = np.full(SEQUENCES * UNITS + 1, BEFORE, np.int16)
    pointers = (a.ctypes.data_as(ctypes.c_void_p) for a in (hidden, cell))
    ctypes.CDLL(str(path)).start(*pointers, SEQUENCES, UNITS, Y_ZERO)
    assert hidden.tolist() == [Y_ZERO] * (SEQUENCES * UNITS) + [BEFORE]
    assert cell.tolist() == [0] * (SEQUENCES * UNITS) + [BEFORE]
