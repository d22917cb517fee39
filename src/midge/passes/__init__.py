"""Rewrites of graphs; those of `PIPELINE` keep every output bit."""

from midge.passes.pipeline import PIPELINE, run_passes

__all__ = ["PIPELINE", "run_passes"]
