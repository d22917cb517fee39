""".tflite -> graph. The outside world's semantics are those of TFLite Micro.

Each operator of the file is converted by the module of `tflite_ops` that names it.
"""

from __future__ import annotations

import hashlib
import re

from midge.errors import UnsupportedError, UserError
from midge.graph import Graph, Op, Tensor, verify
from midge.graph.verify import LONGEST_GRAPH_NAME
from midge.importers.tflite_file import TfliteModel, TfliteOp, read_tflite
from midge.importers.tflite_ops import CONVERTERS
from midge.importers.tflite_ops.operands import Operands


def import_tflite(data: bytes, source: str, name: str | None = None) -> Graph:
    """Read a .tflite file into a verified graph.

    Args:
        data: The file's bytes.
        source: The file's name, for messages and for the graph's name.
        name: The graph's name, a C identifier; made from `source` when None.

    Returns:
        The graph; its rounding is `tflite_double` throughout.

    Raises:
        UserError: the file is damaged or breaks an invariant.
        UnsupportedError: it uses what Midge does not have; every such place is listed.
    """
    model = read_tflite(data, source)
    ops: list[Op] = []
    tensors: dict[str, Tensor] = {t.name: t for t in model.tensors if isinstance(t, Tensor)}
    problems: list[str] = []
    for record in model.ops:
        place = f"op {record.index} ({record.builtin})"
        try:
            ops.append(_convert(model, record))
        except UserError as error:
            problems.append(f"{place}: {error}")
    for index in (*model.inputs, *model.outputs):
        tensor = model.tensors[index]
        if isinstance(tensor, str):
            problems.append(f"input or output {tensor}, which is not supported")
    if problems:
        supported = ", ".join(sorted(CONVERTERS))
        raise UnsupportedError(
            f"{source}: {len(problems)} {'place needs' if len(problems) == 1 else 'places need'} "
            "what Midge does not have:\n  "
            + "\n  ".join(problems)
            + f"\nsupported operators: {supported}"
        )
    graph = Graph(
        name=name or c_identifier(source),
        tensors={},
        ops=(),
        inputs=_names(model, model.inputs),
        outputs=_names(model, model.outputs),
        digest=hashlib.sha256(data).hexdigest(),
    ).with_ops(ops, tensors)
    try:
        return verify(graph)
    except UserError as error:
        raise type(error)(f"{source}: {error}") from None


def _names(model: TfliteModel, indices: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(t.name for t in (model.tensors[i] for i in indices) if isinstance(t, Tensor))


def _convert(model: TfliteModel, record: TfliteOp) -> Op:
    converter = CONVERTERS.get(record.builtin)
    if converter is None:
        raise UnsupportedError("the operator is not supported")
    operands = Operands(model, record)
    attributes, inputs = converter(operands)
    return Op(
        name=f"{record.index:02d}_{attributes.kind}",
        attributes=attributes,
        inputs=tuple(t.name if t is not None else "" for t in inputs),
        outputs=tuple(t.name for t in operands.outputs),
    )


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
