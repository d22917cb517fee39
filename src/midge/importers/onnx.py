""".onnx -> graph: float networks and quantised ones (QDQ), opset 13 to the newest.

Each node of the file is converted by the module of `onnx_ops` that names its operator. The graph is
in the file's layout, channels first; `passes.to_channels_last` brings it to the device's.
"""

from __future__ import annotations

import hashlib

from midge.errors import UnsupportedError, UserError
from midge.graph import Graph, verify
from midge.importers.onnx_convert import Converter
from midge.importers.onnx_file import read_onnx
from midge.importers.onnx_ops import CONVERTERS
from midge.importers.onnx_patterns import with_units
from midge.importers.tflite import c_identifier

MOST_PROBLEMS = 100
"""That are listed; a file may have thousands."""


def import_onnx(data: bytes, source: str, name: str | None = None) -> Graph:
    """Read an .onnx file into a verified graph.

    A batch that the file leaves open is 1. Integers of 64 bits are computed with 32. uint8 codes
    between QuantizeLinear and DequantizeLinear are int8 ones, smaller by 128.

    Args:
        data: The file's bytes; external data is not read.
        source: The file's name, for messages and for the graph's name.
        name: The graph's name, a C identifier; made from `source` when None.

    Returns:
        The graph, images [n, c, h, w] as in the file.

    Raises:
        UserError: the file is damaged or breaks an invariant.
        UnsupportedError: it uses what Midge does not have; every such place is listed.
    """
    model = with_units(read_onnx(data, source))
    try:
        converter = Converter(model)
        converter.run()
        outputs = converter.outputs()
        converter.builder.drop_unread(outputs)
    except UserError as error:
        raise type(error)(f"{source}: {error}") from None
    problems = converter.problems
    if problems:
        count = len(problems)
        listed = problems[:MOST_PROBLEMS]
        if count > MOST_PROBLEMS:
            listed.append(f"and {count - MOST_PROBLEMS} more")
        raise UnsupportedError(
            f"{source}: {count} {'place needs' if count == 1 else 'places need'} "
            "what Midge does not have:\n  "
            + "\n  ".join(listed)
            + f"\nsupported operators: {', '.join(sorted(op for _, op in CONVERTERS))}"
        )
    graph = converter.builder.graph(
        name or c_identifier(source),
        converter.inputs,
        outputs,
        hashlib.sha256(data).hexdigest(),
    )
    try:
        return verify(graph)
    except UserError as error:
        raise type(error)(f"{source}: {error}") from None
