"""to_channels_last: the passes from a framework's graph to one in the layout of the device."""

from __future__ import annotations

from midge.graph import Graph
from midge.passes.drop_identities import drop_identities
from midge.passes.fold_batch_norm import fold_batch_norm
from midge.passes.fold_constants import fold_constants
from midge.passes.fuse_activation import fuse_activation
from midge.passes.fuse_gated_units import fuse_gated_units
from midge.passes.fuse_layer_norm import fuse_layer_norm
from midge.passes.fuse_pad import fuse_pad
from midge.passes.permute_features import permute_features
from midge.passes.pipeline import Pass, run_passes
from midge.passes.remove_dead_ops import remove_dead_ops
from midge.passes.sink_transposes import sink_transposes


def fold_float_constants(graph: Graph) -> Graph:
    """`fold_constants` that leaves what is quantised or dequantised of constants."""
    return fold_constants(graph, keep_quantized=True)


CHANNELS_LAST: tuple[Pass, ...] = (
    remove_dead_ops,  # first, so that nothing is done for operators that nobody reads
    fold_float_constants,  # what is computed of constants may be in any layout
    drop_identities,  # what gives its input back stands between operators that could merge
    sink_transposes,
    drop_identities,  # again: reshapes that layouts need meet those of the model
    permute_features,  # what sinking leaves in front of a flattened image
    fuse_layer_norm,  # rows are the last dimension now
    fuse_gated_units,  # before numbers in them are taken for a normalisation's
    fold_batch_norm,  # channels are the last dimension now, and nothing stands in between
    fuse_activation,  # behind it: a rectifier stands behind what was merged
    fuse_pad,
    drop_identities,
    remove_dead_ops,  # last: constants' quantisation that only merged operators read
)


def to_channels_last(graph: Graph) -> Graph:
    """Bring a graph in its source's layout to the device's, channels last, without transposes.

    Inputs and outputs may come to stand in another order; `Graph.layouts` says which. Quantisation
    and dequantisation stay as they are.

    Args:
        graph: As an importer of a framework builds it: operators on images stand between
            transposes, batch normalisation is a product and a sum.

    Returns:
        A graph that computes the same. Bits differ only where a batch normalisation was merged
        with weights, where a fully connected layer sums features in another order, and where
        operators became the one that they spell out.

    Raises:
        UserError: the graph is not sound, or computes more constants than a device can hold.
    """
    return run_passes(graph, CHANNELS_LAST)
