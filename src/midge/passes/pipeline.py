"""The passes, in order, with the reason for the order."""

from __future__ import annotations

from collections.abc import Callable

from midge.errors import InternalError, UserError
from midge.graph import Graph, verify
from midge.passes.fold_constants import fold_constants
from midge.passes.forward_variable_reads import forward_variable_reads
from midge.passes.freeze_variables import freeze_variables
from midge.passes.fuse_pad import fuse_pad
from midge.passes.remove_constant_channels import remove_constant_channels
from midge.passes.remove_dead_ops import remove_dead_ops
from midge.passes.sink_transposes import cancel_transposes

Pass = Callable[[Graph], Graph]

PIPELINE: tuple[Pass, ...] = (
    remove_dead_ops,  # first, so that nothing is done for operators that nobody reads
    freeze_variables,  # in front of what looks for constants
    fold_constants,  # before fusions, which look for computed tensors
    remove_dead_ops,  # again: what computed a tensor of which only the shape was read
    cancel_transposes,  # before fusions, which look for neighbours
    fuse_pad,
    remove_constant_channels,  # behind fuse_pad: only a window knows how often it sees a border
    forward_variable_reads,  # last: what fusions move reads a copy still, not the variable
)


def run_passes(graph: Graph, pipeline: tuple[Pass, ...] = PIPELINE) -> Graph:
    """Rewrite a graph; the result computes the same outputs, bit for bit.

    Raises:
        UserError: the graph that comes in is not sound.
        InternalError: a pass broke it; the message names the pass and those before it.
    """
    verify(graph)
    for number, rewrite in enumerate(pipeline):
        rewritten = rewrite(graph)
        if rewritten is graph:
            continue
        try:
            graph = verify(rewritten)
        except UserError as error:
            before = ", ".join(p.__name__ for p in pipeline[:number]) or "none"
            raise InternalError(
                f"pass {rewrite.__name__} (after: {before}) broke the graph: {error}. "
                "Please report this model"
            ) from error
    return graph
