"""What `bench.fuzz_tflite` runs over and over: reads one file. Takes libFuzzer's options.

It imports nothing of Midge before atheris has instrumented it.
"""

from __future__ import annotations

import sys

import atheris
import numpy as np

with atheris.instrument_imports(include=["midge.importers", "midge.graph"]):
    from midge.errors import UserError
    from midge.graph import interpret, verify
    from midge.importers import import_tflite

LARGEST_TO_INTERPRET = 1 << 16
"""Elements of all tensors; larger networks are verified alone."""


def one_input(data: bytes) -> None:
    """A message that names the file, or a graph that is verified and computed."""
    try:
        graph = import_tflite(data, "m.tflite")
    except UserError as error:
        if not str(error).startswith("m.tflite: "):
            raise AssertionError(f"the message does not name the file: {error}") from error
        return
    verify(graph)
    if sum(t.size for t in graph.tensors.values()) < LARGEST_TO_INTERPRET:
        tensors = [graph.tensors[n] for n in graph.inputs]
        interpret(graph, {t.name: np.zeros(t.shape, t.dtype.numpy) for t in tensors})


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
