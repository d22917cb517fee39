"""Others' C, built and called as Midge's is: with the same compilers, in the same harness."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bench.calibration_cmsis_nn import harness_header
from bench.peer_networks import Values
from midge.graph import Tensor
from midge.toolchain import ModelInterface, Program, build, find_compiler

CORE = "cortex-m4"

_IGNORED = (
    "pragmas attributes conversion sign-conversion extra unused-parameter pedantic sign-compare "
    "unused-function discarded-qualifiers int-conversion unused-variable unused-but-set-variable "
    "missing-field-initializers float-conversion type-limits enum-conversion undef"
)
_RELAXED = (
    '#ifdef __clang__\n#pragma clang diagnostic ignored "-Weverything"\n#else\n'
    + "".join(f'#pragma GCC diagnostic ignored "-W{name}"\n' for name in _IGNORED.split())
    + "#endif\n"
)
# What a board's C library would give them. Copies become instructions where the compiler sees
# their size; rounding takes two additions. The functions of other activations are named by
# emlearn's header and never called.
_LIBRARY = {
    "string.h": (
        "#pragma once\n#include <stddef.h>\n"
        "void *memcpy(void *to, const void *from, size_t n);\n"
        "void *memset(void *to, int value, size_t n);\n"
        "#define memcpy __builtin_memcpy\n#define memset __builtin_memset\n"
    ),
    "stdlib.h": "#pragma once\n#include <stddef.h>\n",
    "stdio.h": "#pragma once\n#include <stddef.h>\n",
    "math.h": (
        "#pragma once\n#define INFINITY __builtin_inff()\n"
        '#define NAN __builtin_nanf("")\n#define fabsf __builtin_fabsf\n'
        "static inline float fmaxf(float a, float b) { return a > b ? a : b; }\n"
        "static inline float fminf(float a, float b) { return a < b ? a : b; }\n"
        "static inline float nearbyintf(float x)\n"
        "{ const float big = 8388608.0f; if (x >= big || x <= -big) return x;\n"
        "  return x < 0 ? (x - big) + big : (x + big) - big; }\n"
        "static inline double nearbyint(double x)\n"
        "{ const double big = 4503599627370496.0; if (x >= big || x <= -big) return x;\n"
        "  return x < 0 ? (x - big) + big : (x + big) - big; }\n"
        "static inline long long llrint(double x) { return (long long)nearbyint(x); }\n"
        "static inline float expf(float x) { return x; }\n"
        "static inline float logf(float x) { return x; }\n"
        "static inline float tanhf(float x) { return x; }\n"
    ),
}


def build_peer(
    folder: Path,
    report: dict[str, Any],
    ends: tuple[Tensor, Tensor],
    cc: str,
    stack_bytes: int,
) -> Program:
    """Build what a peer wrote.

    Args:
        folder: With its C.
        report: What its script says of it: how to call it, and with what.
        ends: The network's input and output.
        cc: ``zig`` or ``gcc``.
        stack_bytes: RAM to keep for its stack.

    Raises:
        ToolError: the compiler is missing or does not take the C.
    """
    forms = Values(**report["input"]), Values(**report["output"])
    sizes = [form.size_bytes(tensor) for form, tensor in zip(forms, ends, strict=True)]
    files = _foreign(folder) | _LIBRARY | _wrapper([*sizes, report["scratch_bytes"]], report)
    interface = ModelInterface("peer", (sizes[0],), (sizes[1],), ("peer_call",))
    compiler = find_compiler(cc, CORE)
    return build(compiler, files, interface, stack_bytes=stack_bytes, timeout_s=900)


def _foreign(folder: Path) -> dict[str, str]:
    """A peer's C by file name: warnings off, include paths flat."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".c", ".h"}:
            text = path.read_text("utf-8")
            text = re.sub(r'#include "(?:[^"]*/)?([^"/]+)"', r'#include "\1"', text)
            files[path.name] = _RELAXED + text if path.suffix == ".c" else text
    return files


def _wrapper(sizes: list[int], report: dict[str, Any]) -> dict[str, str]:
    """The four functions that the harness calls, around the peer's one."""
    places = [0]
    for size in sizes:
        places.append(places[-1] + (size + 15) // 16 * 16)
    includes = "".join(f'#include "{name}"\n' for name in report["include"])
    source = f"""#include "peer.h"
{includes}{report.get("declare", "")}
void peer_init(void *arena, void *state) {{ (void)arena; (void)state; }}
int8_t *peer_input(void *arena, uint32_t i) {{ (void)i; return arena; }}
const int8_t *peer_output(const void *arena, uint32_t i)
{{ (void)i; return (const int8_t *)arena + {places[1]}; }}
__attribute__((noinline)) static void peer_call(uint8_t *in)
{{
    uint8_t *out = in + {places[1]}, *scratch = in + {places[2]};
    (void)scratch;
    {report["call"]}
}}
enum midge_status peer_run(void *arena, void *state)
{{ (void)state; peer_call(arena); return MIDGE_OK; }}
"""
    return {"peer.h": harness_header("peer", places[-1]), "peer.c": _RELAXED + source}
