"""TFLite Micro's sources: which of them, and where from. None of them is part of this project.

They are fetched by git at the commits that TFLite Micro itself names, into a cache; folders that
hold them already can be given instead.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from midge import ToolError, UserError, processes

_FLATBUFFERS_PATCH = "tensorflow/lite/micro/tools/make/flatbuffers.patch"
_PATCHED = Path("include/flatbuffers/base.h"), "For TFLM"


@dataclass(frozen=True)
class Origin:
    """A repository at one commit.

    Attributes:
        name: Of the option that names a folder with it.
        url: For git.
        commit: 40 hexadecimal digits, or a tag.
        holds: A file that is there when it is.
    """

    name: str
    url: str
    commit: str
    holds: str


TFLM = Origin(
    "tflm",
    "https://github.com/tensorflow/tflite-micro.git",
    "90b983c2b3f1480642e040bbd2ddb37b998f3424",
    "tensorflow/lite/micro/micro_interpreter.cc",
)
ORIGINS = (
    TFLM,
    Origin(
        "flatbuffers",
        "https://github.com/google/flatbuffers.git",
        "v25.9.23",
        "include/flatbuffers/flatbuffers.h",
    ),
    Origin(
        "gemmlowp",
        "https://github.com/google/gemmlowp.git",
        "719139ce755a0f31cbf1c37f7f98adcc7fc9f425",
        "fixedpoint/fixedpoint.h",
    ),
    Origin(
        "ruy",
        "https://github.com/google/ruy.git",
        "d37128311b445e758136b8602d1bbd2a755e115d",
        "ruy/profiler/instrumentation.h",
    ),
)
"""TFLite Micro and what it includes, at the commits of its own Makefile."""

_MICRO = (
    "flatbuffer_utils memory_helpers micro_allocation_info micro_allocator micro_context "
    "micro_interpreter micro_interpreter_context micro_interpreter_graph micro_log "
    "micro_op_resolver micro_resource_variable micro_utils "
    "arena_allocator/non_persistent_arena_buffer_allocator "
    "arena_allocator/persistent_arena_buffer_allocator "
    "arena_allocator/single_arena_buffer_allocator "
    "memory_planner/greedy_memory_planner memory_planner/linear_memory_planner "
    "tflite_bridge/flatbuffer_conversions_bridge tflite_bridge/micro_error_reporter"
)
_LITE = (
    "core/api/flatbuffer_conversions core/api/tensor_utils core/c/common kernels/kernel_util "
    "kernels/internal/common kernels/internal/portable_tensor_utils "
    "kernels/internal/quantization_util kernels/internal/runtime_shape "
    "kernels/internal/tensor_ctypes kernels/internal/tensor_utils"
)
_COMPILER = "core/api/error_reporter schema/schema_utils"
_KERNELS = (
    "kernel_util micro_tensor_utils add add_common conv conv_common depthwise_conv "
    "depthwise_conv_common fully_connected fully_connected_common pooling pooling_common reshape "
    "reshape_common softmax softmax_common"
)

CORE_SOURCES = (
    *(f"tensorflow/lite/micro/{name}.cc" for name in _MICRO.split()),
    *(f"tensorflow/lite/{name}.cc" for name in _LITE.split()),
    *(f"tensorflow/compiler/mlir/lite/{name}.cc" for name in _COMPILER.split()),
)
"""The interpreter: what its Makefile compiles at ``CORE_OPTIMIZATION_LEVEL``."""
KERNEL_SOURCES = tuple(f"tensorflow/lite/micro/kernels/{name}.cc" for name in _KERNELS.split())
"""Reference kernels of the four networks, compiled at ``KERNEL_OPTIMIZATION_LEVEL``."""


@dataclass(frozen=True)
class Sources:
    """Folders with all of them."""

    tflm: Path
    flatbuffers: Path
    gemmlowp: Path
    ruy: Path

    @property
    def includes(self) -> tuple[str, ...]:
        """Options for the compiler."""
        folders = (self.tflm, self.flatbuffers / "include", self.gemmlowp, self.ruy)
        return tuple(f"-I{folder}" for folder in folders)


def find_sources(given: Mapping[str, Path | None], cache: Path) -> Sources:
    """Fetch what was not given, unless the cache has it.

    Args:
        given: A folder by `Origin.name`, or None.
        cache: Folder for what is fetched.

    Raises:
        UserError: a folder that was given does not hold what it should.
        ToolError: git is missing, or GitHub out of reach.
    """
    found = {}
    for origin in ORIGINS:
        folder = given.get(origin.name)
        if folder is None:
            folder = cache / f"{origin.name}-{origin.commit[:12]}"
            if not (folder / origin.holds).is_file():
                _fetch(origin, folder)
        elif not (folder / origin.holds).is_file():
            raise UserError(
                f"--{origin.name} {folder}: {origin.holds} was not found there; expected a "
                f"checkout of {origin.url} at {origin.commit}"
            )
        found[origin.name] = folder.resolve()
    sources = Sources(**found)
    if given.get("flatbuffers") is None:
        _patch(sources)
    return sources


def _fetch(origin: Origin, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _git("init", "--quiet", folder=folder)
    _git("fetch", "--quiet", "--depth", "1", origin.url, origin.commit, folder=folder)
    _git("checkout", "--quiet", "FETCH_HEAD", folder=folder)


def _patch(sources: Sources) -> None:
    """Put TFLite Micro's own changes into flatbuffers, once."""
    file, mark = _PATCHED
    if mark not in (sources.flatbuffers / file).read_text("utf-8"):
        _git("apply", str(sources.tflm / _FLATBUFFERS_PATCH), folder=sources.flatbuffers)


def _git(*arguments: str, folder: Path) -> None:
    done = processes.run(("git", *arguments), timeout_s=1800, cwd=folder)
    if done.returncode:
        raise ToolError(
            f"git {arguments[0]} in {folder} failed: {done.stderr_text.strip()}. Give folders that "
            "hold the sources: --tflm, --flatbuffers, --gemmlowp, --ruy"
        )
