"""Kernel files of `device/kernels` as one text, each once, behind what it includes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources

_INCLUDE = re.compile(r'^#include "([a-z0-9_]+\.h)"\n', re.MULTILINE)


def kernel_text(files: Iterable[str]) -> str:
    """The files and all that they include, in the order in which they must stand.

    System includes are left in place; local ones are replaced by the file, the first time.
    """
    done: set[str] = set()
    parts: list[str] = []

    def visit(file: str) -> None:
        if file in done:
            return
        done.add(file)
        text = resources.files("midge.device").joinpath("kernels", file).read_text("ascii")
        for included in _INCLUDE.findall(text):
            visit(included)
        parts.append(_INCLUDE.sub("", text).rstrip() + "\n")

    # A header that changes how others compile stands first.
    for file in sorted(files, key=lambda f: ("_dsp" not in f, f)):
        visit(file)
    return "\n".join(parts)
