"""Finds a C compiler, builds a model with the harness, and measures what it weighs."""

from midge.toolchain.build import OPTIMISATIONS, build
from midge.toolchain.compilers import COMPILER_KINDS, Compiler, cache_directory, find_compiler
from midge.toolchain.host_library import build_host_library
from midge.toolchain.program import ModelInterface, Program, Segment, Symbol
from midge.toolchain.targets import TARGETS, MemoryMap, target_for

__all__ = [
    "COMPILER_KINDS",
    "OPTIMISATIONS",
    "TARGETS",
    "Compiler",
    "MemoryMap",
    "ModelInterface",
    "Program",
    "Segment",
    "Symbol",
    "build",
    "build_host_library",
    "cache_directory",
    "find_compiler",
    "target_for",
]
