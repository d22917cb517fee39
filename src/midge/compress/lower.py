"""From an annotated float graph to one of integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from midge.compress.annotate import Annotations
from midge.compress.calibrate import Observed
from midge.compress.insert_qdq import insert_qdq
from midge.compress.settings import QuantizeSettings
from midge.errors import UserError
from midge.graph import Graph
from midge.passes.lower_qdq import lower_qdq


@dataclass(frozen=True)
class Lowered:
    """A network of integers.

    Attributes:
        graph: Verified.
        stands_for: The float graph's tensor by the name of the one of integers that stands for it.
        remarks: What lowering had to do otherwise than the annotations say.
    """

    graph: Graph
    stands_for: Mapping[str, str]
    remarks: tuple[str, ...] = ()


def lower(
    graph: Graph, annotations: Annotations, observed: Observed, settings: QuantizeSettings
) -> Lowered:
    """Insert the annotations and lower them.

    Raises:
        UnsupportedError: an operator would stay float that nobody allowed to.
    """
    remarks: list[str] = []
    inserted = insert_qdq(graph, annotations, observed, settings)
    try:
        integer = lower_qdq(
            inserted.graph,
            settings.rounding,
            allow_float=settings.allow_float,
            keep_float=settings.keep_float,
            remarks=remarks,
        )
    except UserError as error:
        if str(error).startswith(graph.name):
            raise
        raise type(error)(f"{graph.name}: {error}") from None
    names = {n: inserted.stands_for.get(n, n) for n in integer.tensors}
    stands_for = {n: o for n, o in names.items() if o in graph.tensors}
    return Lowered(integer, stands_for, tuple(remarks))
