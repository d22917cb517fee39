from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from midge import commands
from midge.driver import Artifact
from midge.errors import InternalError
from support.faults import with_flipped_bits


def test_equal_layers_end_with_0(midge: Callable[..., Any], models: Path, tmp_path: Path) -> None:
    run = ("run", models / "mobile_chain.tflite", "--compare-layers")
    shown = midge(*run)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == "equal: 12 layers, 1 sample, every value\n"
    x = np.random.default_rng(0).integers(-128, 128, (3, 14, 14, 3)).astype(np.int8)
    np.save(tmp_path / "x.npy", x)
    assert midge(*run, "--input", tmp_path / "x.npy").out.startswith("equal: 12 layers, 3 samples")


def test_planted_fault_ends_with_1_and_is_named(
    midge: Callable[..., Any], models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = commands.compile_graph

    def faulty(*arguments: Any, **options: Any) -> Artifact:
        artifact = sound(*arguments, **options)
        # What was measured to be the fastest reads its weights as they are, or a stream of them.
        with suppress(InternalError):
            return with_flipped_bits(artifact, "mobile_chain_04_conv_2d_weights", 9, 0x20)
        return with_flipped_bits(artifact, "mobile_chain_04_conv_2d_stream", 9, 0x20)

    monkeypatch.setattr(commands, "compile_graph", faulty)
    shown = midge("run", models / "mobile_chain.tflite", "--compare-layers")
    assert (shown.code, shown.err) == (1, "")
    assert re.fullmatch(
        r"differs: sample 0, layer 04_conv_2d, tensor '[a-z_0-9]+', element \[0(, \d+){3}\]: device "
        r"-?\d+, interpreter -?\d+; \d+ of \d+ elements of this tensor differ\n",
        shown.out,
    ), shown.out
