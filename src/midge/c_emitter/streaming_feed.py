"""The functions by which an application hands in its input row by row.

The network has no place for its input then: the first group takes each row as it comes. What
outlives a row stands in the arena: the group's queues, and a ``struct midge_frame`` with the number
of rows so far. Nothing else of the network runs before the last row, so nothing else is in the way.
"""

from __future__ import annotations

import zlib

from midge.c_emitter.interface import element_type
from midge.c_emitter.layer_function import pointer
from midge.c_emitter.problem import frame_name
from midge.c_emitter.streaming_layers import row_bytes
from midge.graph import Graph
from midge.memory_plan import Plan

FEED_SOURCES = ("frame.h",)
"""Of `device/kernels`."""
ADAPTER_SUFFIX = "_frame"


def feed_functions(
    graph: Graph, plan: Plan, group: str, checks: list[str], calls: list[str]
) -> list[str]:
    """``<name>_init``, ``_begin_frame`` and ``_feed_row``.

    Args:
        graph: The network; its one input is fed.
        plan: With a place for `frame_name`.
        group: What the names of the first group's functions begin with.
        checks: Statements that refuse an arena or a state.
        calls: Statements that run what comes behind the last row.
    """
    name, macro = graph.name, graph.name.upper()
    at = plan.offsets[frame_name(graph)]
    row = element_type(graph.tensors[graph.inputs[0]])
    frame = f"(struct midge_frame *)(void *)({{}} + {at})"
    mark = f"{zlib.crc32(f'{name} {graph.digest}'.encode()):#010x}u"
    return [
        f"void {name}_begin_frame(void *arena) {{",
        f"    if (arena == NULL || (uintptr_t)arena % {macro}_ARENA_ALIGN != 0) {{",
        f"        return; /* {name}_feed_row says so */",
        "    }",
        f"    struct midge_frame *const frame = {frame.format('(uint8_t *)arena')};",
        f"    frame->mark = {mark};",
        "    frame->rows = 0;",
        "}\n",
        f"void {name}_init(void *arena, void *state) {{",
        f"    {name}_begin_frame(arena);",
        f"    {name}_reset(state);",
        "}\n",
        f"enum midge_status {name}_feed_row(void *arena, void *state, const {row} *row) {{",
        "    uint8_t *bytes = arena;",
        *checks,
        f"    struct midge_frame *const frame = {frame.format('bytes')};",
        f"    if (frame->mark != {mark} || frame->rows < 0 || frame->rows >= {macro}_ROWS) {{",
        "        return MIDGE_NOT_BEGUN;",
        "    }",
        "    if (frame->rows == 0) {",
        f"        {group}_begin(bytes);",
        "    }",
        f"    {group}_push(bytes, row);",
        "    frame->rows++;",
        f"    if (frame->rows < {macro}_ROWS) {{",
        "        return MIDGE_MORE_ROWS;",
        "    }",
        "    /* The frame is complete; the next row begins the next one. */",
        "    frame->rows = 0;",
        *calls,
        "    return MIDGE_OK;",
        "}\n",
    ]


def frame_adapter(graph: Graph, plan: Plan, alignment: int) -> tuple[str, dict[str, str]]:
    """A network that takes a whole frame and feeds its rows, for whoever knows only such networks.

    Args:
        graph: The network, emitted with its input fed.
        plan: Its memory plan.
        alignment: Of its arena.

    Returns:
        The adapter's name, and its files: a header with sizes, and functions as every network has
        them. Its arena is the network's with the frame behind it.
    """
    name, inner = f"{graph.name}{ADAPTER_SUFFIX}", graph.name
    macro, inner_macro = name.upper(), inner.upper()
    start = -(-plan.arena_bytes // alignment) * alignment
    source = graph.tensors[graph.inputs[0]]
    header = [
        f"#ifndef MIDGE_NETWORK_{macro}_H",
        f"#define MIDGE_NETWORK_{macro}_H",
        f'#include "{inner}.h"',
        f"#define {macro}_ARENA_BYTES {start + source.size_bytes}",
        f"#define {macro}_ARENA_ALIGN {alignment}",
        f"#define {macro}_STATE_BYTES {inner_macro}_STATE_BYTES",
        f"void {name}_init(void *arena, void *state);",
        f"void *{name}_input(void *arena, unsigned index);",
        f"const void *{name}_output(const void *arena, unsigned index);",
        f"enum midge_status {name}_run(void *arena, void *state);",
        "#endif",
        "",
    ]
    kind = element_type(source)
    row = pointer(f"const {kind}", f"(const uint8_t *)arena + {start} + i * {row_bytes(source)}")
    row = row.replace("(void *)", "(const void *)")
    body = [
        f'#include "{name}.h"',
        "#include <stddef.h>",
        f"void {name}_init(void *arena, void *state) {{ {inner}_init(arena, state); }}",
        f"void *{name}_input(void *arena, unsigned index) {{",
        f"    return index == 0 ? (uint8_t *)arena + {start} : NULL;",
        "}",
        f"const void *{name}_output(const void *arena, unsigned index) {{",
        f"    return {inner}_output(arena, index);",
        "}",
        f"enum midge_status {name}_run(void *arena, void *state) {{",
        "    enum midge_status status = MIDGE_MORE_ROWS;",
        f"    for (int32_t i = 0; i < {inner_macro}_ROWS && status == MIDGE_MORE_ROWS; i++) {{",
        f"        status = {inner}_feed_row(arena, state, {row});",
        "    }",
        "    return status;",
        "}",
        "",
    ]
    return name, {f"{name}.h": "\n".join(header), f"{name}.c": "\n".join(body)}
