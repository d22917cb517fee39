"""The C that stages and kernels share, as one text: each file once, behind what it includes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources

FOR_CPP = ("#ifdef __cplusplus", 'extern "C" {', "#endif", "")
FOR_CPP_END = ("#ifdef __cplusplus", "}", "#endif", "")
"""Around a header's declarations, so that C++ links with the C."""

_INCLUDE = re.compile(r'^#include "([a-z0-9_]+\.h)"\n', re.MULTILINE)
_FOLDERS = ("signals", "learner", "learner/fixed", "kernels")


def signal_text(headers: Iterable[str], given: Iterable[str] = ()) -> str:
    """Files of `device/signals`, and of `device/kernels` what they stand on.

    System includes are left in place; local ones are replaced by the file, the first time.

    Args:
        headers: What is wanted.
        given: What stands in front of the text already.
    """
    done = set(given)
    parts: list[str] = []

    def visit(header: str) -> None:
        if header in done:
            return
        done.add(header)
        text = _read(header)
        for included in _INCLUDE.findall(text):
            visit(included)
        parts.append(_INCLUDE.sub("", text).strip("\n") + "\n")

    for header in sorted(headers):
        visit(header)
    return "\n".join(parts)


def _read(header: str) -> str:
    device = resources.files("midge.device")
    folder = next(f for f in _FOLDERS if device.joinpath(f, header).is_file())
    return device.joinpath(folder, header).read_text("ascii")
