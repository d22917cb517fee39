"""Rewrites that keep every output bit."""

from midge.passes.pipeline import PIPELINE, run_passes

__all__ = ["PIPELINE", "run_passes"]
