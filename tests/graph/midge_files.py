"""Contents of .midge files: one to spoil, and what makes a spoiled one whole again outside."""

from __future__ import annotations

import hashlib
import random
import re

import numpy as np
from graph_builders import int8, int32, one_op, per_channel

from midge.graph import Activation, DType, Graph, Tensor, verify
from midge.graph.ops.conv_2d import Conv2D

WEIGHTS = np.arange(-9, 9, dtype=np.int8).reshape(2, 3, 3, 1)
NUMBERS = (
    *("0", "1", "-1", "2", "-128", "127", "255", "65536", "1000000", "2147483647", "-2147483648"),
    *("4294967296", "9223372036854775807", "-9223372036854775808", "1e-45", "3.4e38"),
    *("bits:7fc00000", "bits:ff800000"),
)
"""What breaks carelessly written arithmetic."""


def small_graph() -> Graph:
    """A convolution, with constants of which one stands in the text and three behind it."""
    x = int8("x", 1, 4, 4, 1, zero_point=3)
    w = Tensor("w", (2, 3, 3, 1), DType.INT8, per_channel([0.1, 0.2], 0), WEIGHTS)
    y = int8("y", 1, 2, 2, 2, scale=1.0, zero_point=-128)
    op = Conv2D(stride=(2, 2), pad_after=(1, 1), activation=Activation.RELU)
    graph = one_op(op, (x, w, int32("b", [-1, 70000])), y)
    spare = (
        Tensor("f", (), DType.FLOAT32, None, np.array(0.5, np.float32)),
        Tensor("q", (17,), DType.INT4, None, np.arange(17, dtype=np.int8) % 16 - 8),
        Tensor("t", (2,), DType.BOOL, None, np.array([True, False])),
    )
    tensors = {**graph.tensors, **{t.name: t for t in spare}}
    return verify(Graph("g", tensors, graph.ops, ("x",), ("y",), layouts={"x": (0, 2, 3, 1)}))


def sealed(content: bytes) -> bytes:
    """A file whose first line agrees with what is behind it, whatever that is."""
    digest = hashlib.sha256(content).hexdigest()
    return f"midge-file 1 bytes={len(content)} sha256:{digest}\n".encode() + content


def parts(data: bytes) -> tuple[bytes, bytes]:
    """The text of a file, with its line ``end``, and the constants behind it."""
    start = data.index(b"\n") + 1
    end = data.index(b"\nend\n") + 5
    return data[start:end], data[end:]


def spoiled(data: bytes, rng: random.Random) -> bytes:
    """A file that is sealed anew after its text was changed in one to three places."""
    text, constants = parts(data)
    for _ in range(rng.randint(1, 3)):
        lines = text.split(b"\n")
        at, other = (rng.randrange(1, len(lines)) for _ in range(2))
        match rng.randrange(8):
            case 0:
                lines[at], lines[other] = lines[other], lines[at]
            case 1:
                del lines[at]
            case 2:
                lines.insert(at, lines[other])
            case 3:
                words = lines[at].split(b" ")
                words[rng.randrange(len(words))] = rng.choice(lines[other].split(b" "))
                lines[at] = b" ".join(words)
            case 4:
                line = bytearray(lines[at] or b" ")
                line[rng.randrange(len(line))] = rng.randrange(256)
                lines[at] = bytes(line)
            case 5 if constants:
                constants = constants[: rng.randrange(len(constants))] + rng.randbytes(
                    rng.randrange(4)
                )
            case _:
                numbers = [m.span() for m in re.finditer(rb"(?<![0-9a-f:])-?[0-9.]+", lines[at])]
                if numbers:
                    first, last = rng.choice(numbers)
                    number = rng.choice(NUMBERS).encode()
                    lines[at] = lines[at][:first] + number + lines[at][last:]
        text = b"\n".join(lines)
        if text.count(b"\n") < 2:
            break
    return sealed(text + constants)
