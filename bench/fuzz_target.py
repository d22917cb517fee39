"""What `bench.fuzz_tflite` runs over and over: reads one file. Takes libFuzzer's options.

A file that begins as the text form of a graph is read as the content of a .midge file: it gets a
first line that agrees with it, which chance would never write. All others are read as .tflite.

It imports nothing of Midge before atheris has instrumented it.
"""

from __future__ import annotations

import hashlib
import sys

import atheris
import numpy as np

with atheris.instrument_imports(include=["midge.importers", "midge.graph"]):
    from midge.errors import UserError
    from midge.graph import interpret, read_graph, verify
    from midge.importers import import_tflite

LARGEST_TO_INTERPRET = 1 << 16
"""Elements of all tensors; larger networks are verified alone."""


def sealed(content: bytes) -> bytes:
    """The .midge file that holds this behind its first line."""
    digest = hashlib.sha256(content).hexdigest()
    return f"midge-file 1 bytes={len(content)} sha256:{digest}\n".encode() + content


def one_input(data: bytes) -> None:
    """A message that names the file, or a graph that is verified and computed."""
    source = "m.midge" if data.startswith(b"midge-graph ") else "m.tflite"
    try:
        if source == "m.midge":
            graph = read_graph(sealed(data), source)
        else:
            graph = import_tflite(data, source)
    except UserError as error:
        if not str(error).startswith(f"{source}: "):
            raise AssertionError(f"the message does not name the file: {error}") from error
        return
    verify(graph)
    if sum(t.size for t in graph.tensors.values()) < LARGEST_TO_INTERPRET:
        tensors = [graph.tensors[n] for n in graph.inputs]
        interpret(graph, {t.name: np.zeros(t.shape, t.dtype.numpy) for t in tensors})


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
