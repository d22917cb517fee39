""".tflite -> graph. The outside world's semantics are those of TFLite Micro.

Each operator of the file is converted by the module of `tflite_ops` that names it.
"""

from __future__ import annotations

import hashlib
import re

from midge.errors import UnsupportedError, UserError
from midge.graph import Graph, Tensor, verify
from midge.graph.verify import LONGEST_GRAPH_NAME
from midge.importers.tflite_convert import VARIABLE_OPERATORS, convert_ops
from midge.importers.tflite_file import TfliteSubgraph, read_tflite
from midge.importers.tflite_ops import CONVERTERS
from midge.importers.tflite_variables import find_variables


def import_tflite(data: bytes, source: str, name: str | None = None) -> Graph:
    """Read a .tflite file into a verified graph.

    Args:
        data: The file's bytes.
        source: The file's name, for messages and for the graph's name.
        name: The graph's name, a C identifier; made from `source` when None.

    Returns:
        The graph; its rounding is `tflite_double`, and `tflite_16x8` where int16 activations are
        summed in 64 bits.

    Raises:
        UserError: the file is damaged or breaks an invariant.
        UnsupportedError: it uses what Midge does not have; every such place is listed.
    """
    subgraphs = read_tflite(data, source)
    network = subgraphs[0]
    variables = find_variables(subgraphs, source)
    ops, problems = convert_ops(subgraphs, 0, variables)
    for index in (*network.inputs, *network.outputs):
        tensor = network.tensors[index]
        if not isinstance(tensor, Tensor) or (0, index) in variables.handles:
            what = tensor if isinstance(tensor, str) else f"{tensor.name} is a variable's handle"
            problems.append(f"input or output {what}, which is not supported")
    if problems:
        supported = ", ".join(sorted((*CONVERTERS, *VARIABLE_OPERATORS)))
        raise UnsupportedError(
            f"{source}: {len(problems)} {'place needs' if len(problems) == 1 else 'places need'} "
            "what Midge does not have:\n  "
            + "\n  ".join(problems)
            + f"\nsupported operators: {supported}"
        )
    tensors = {t.name: t for t in network.tensors if isinstance(t, Tensor)}
    tensors |= {t.name: t for t in variables.tensors.values()}
    graph = Graph(
        name=name or c_identifier(source),
        tensors={},
        ops=(),
        inputs=_names(network, network.inputs),
        outputs=_names(network, network.outputs),
        digest=hashlib.sha256(data).hexdigest(),
    ).with_ops(ops, tensors)
    try:
        return verify(graph)
    except UserError as error:
        raise type(error)(f"{source}: {error}") from None


def _names(subgraph: TfliteSubgraph, indices: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(t.name for t in (subgraph.tensors[i] for i in indices) if isinstance(t, Tensor))


def c_identifier(source: str) -> str:
    """A C identifier out of a file name: ``models/kws-1.tflite`` gives ``kws_1``."""
    stem = re.split(r"[/\\]", source)[-1].rsplit(".", 1)[0]
    identifier = re.sub(r"[^A-Za-z0-9_]", "_", stem, flags=re.ASCII).strip("_").lower()
    if not identifier or not identifier[0].isalpha() or identifier in _RESERVED:
        identifier = f"model_{identifier}".rstrip("_")
    return identifier[:LONGEST_GRAPH_NAME]


_RESERVED = frozenset(
    (
        *("auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else"),
        *("enum", "extern", "float", "for", "goto", "if", "inline", "int", "long", "main", "midge"),
        *("register", "restrict", "return", "short", "signed", "sizeof", "static", "struct"),
        *("switch", "typedef", "union", "unsigned", "void", "volatile", "while"),
    )
)
