"""The text of `<name>.h`: what an application needs to know of a network."""

from __future__ import annotations

from collections.abc import Sequence

from midge.c_emitter.interface import (
    dequantize_text,
    element_type,
    interface_type,
    quantize_text,
    tensor_macros,
)
from midge.c_emitter.state import STATE_ALIGNMENT, lay_out_state
from midge.c_emitter.streaming_layers import row_bytes
from midge.graph import Graph, Tensor
from midge.memory_plan import Plan

_STATUS = """\
#ifndef MIDGE_STATUS
#define MIDGE_STATUS
enum midge_status {
    MIDGE_OK = 0,        /* the outputs are there */
    MIDGE_BAD_ARENA = 1, /* the arena is NULL or not aligned; nothing was written */
    MIDGE_BAD_STATE = 2, /* the network has state, and the state is NULL or not aligned; nothing was written */
    MIDGE_MORE_ROWS = 3, /* the frame is not complete yet */
    MIDGE_NOT_BEGUN = 4  /* no frame has been begun in this arena, or something wrote over it since */
};
#endif
"""


def header_text(
    graph: Graph, plan: Plan, version: str, licence: str, alignment: int, *, fed: bool = False
) -> str:
    """Sizes, tensors, functions, and helpers between real and stored numbers.

    Args:
        graph: The network.
        plan: Its memory plan.
        version: Midge's.
        licence: Lines for the header comment.
        alignment: Of the arena, in bytes.
        fed: The input is handed in row by row.
    """
    name, macro = graph.name, graph.name.upper()
    inputs = [graph.tensors[n] for n in graph.inputs]
    outputs = [graph.tensors[n] for n in graph.outputs]
    state_bytes = lay_out_state(graph).size_bytes
    state = "state" if state_bytes else "NULL"
    declared = [
        f" *     static uint8_t state[{macro}_STATE_BYTES] __attribute__((aligned({macro}_STATE_ALIGN)));"
    ]
    lines = [
        "/*",
        f" * {name}.h: emitted by Midge {version}. Do not edit: compile the model again.",
        *(f" * {line}" for line in licence.splitlines()),
        " *",
        f" * model  {'sha256 ' + graph.digest if graph.digest else 'made in memory'}",
        f" * work   {graph.macs()} multiply-accumulates, {len(graph.ops)} layers",
        f" * arena  {plan.arena_bytes} bytes; state {state_bytes} bytes; constants of the model {graph.constant_bytes()} bytes",
        " *",
        f" *     static uint8_t arena[{macro}_ARENA_BYTES] __attribute__((aligned({macro}_ARENA_ALIGN)));",
        *(declared if state_bytes else []),
        *(_feed_usage(graph, state) if fed else _usage(name, state)),
        " *",
        " * No global variables, no heap: an arena (and a state) for each thread makes it re-entrant.",
        " */",
        f"#ifndef MIDGE_NETWORK_{macro}_H",
        f"#define MIDGE_NETWORK_{macro}_H",
        "",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        _STATUS,
        f"#define {macro}_ARENA_BYTES {plan.arena_bytes}",
        f"#define {macro}_ARENA_ALIGN {alignment}",
        f"#define {macro}_STATE_BYTES {state_bytes}",
        f"#define {macro}_STATE_ALIGN {STATE_ALIGNMENT}",
        f"#define {macro}_INPUTS {len(inputs)}",
        f"#define {macro}_OUTPUTS {len(outputs)}",
        "",
        *(line for i, t in enumerate(inputs) for line in tensor_macros(macro, f"INPUT{i}", t)),
        *(_feed_macros(graph) if fed else ()),
        *(line for i, t in enumerate(outputs) for line in tensor_macros(macro, f"OUTPUT{i}", t)),
        f"/* Call once before the first run. `state`: {macro}_STATE_BYTES bytes, aligned to {macro}_STATE_ALIGN; NULL where it has none.\n   It belongs to one stream: two of them need a state each, and may share an arena between runs. */",
        f"void {name}_init(void *arena, void *state);",
        "",
        "/* Back to the beginning of a stream: the state as `init` sets it. */",
        f"void {name}_reset(void *state);",
        "",
        *(() if fed else _input_declaration(name, inputs)),
        "/* Where output `index` stands after a run, until the next write to an input; NULL when there is none. */",
        f"const {interface_type(outputs)} *{name}_output(const void *arena, unsigned index);",
        "",
        *(_feed_declarations(graph) if fed else _run_declaration(name, macro)),
        *(line for i, t in enumerate(inputs) for line in quantize_text(name, macro, i, t)),
        *(line for i, t in enumerate(outputs) for line in dequantize_text(name, macro, i, t)),
        "#ifdef __cplusplus",
        "}",
        "#endif",
        f"#endif /* MIDGE_NETWORK_{macro}_H */",
        "",
    ]
    return "\n".join(lines)


def _usage(name: str, state: str) -> list[str]:
    return [
        f" *     {name}_init(arena, {state});",
        f" *     memcpy({name}_input(arena, 0), samples, {name.upper()}_INPUT0_BYTES);",
        f" *     if ({name}_run(arena, {state}) == MIDGE_OK) consume({name}_output(arena, 0));",
    ]


def _input_declaration(name: str, inputs: Sequence[Tensor]) -> list[str]:
    return [
        "/* Where to write input `index` before a run; NULL when there is no such input. A run may overwrite it, unless the network was\n   compiled with --keep-input. */",
        f"{interface_type(inputs)} *{name}_input(void *arena, unsigned index);",
        "",
    ]


def _run_declaration(name: str, macro: str) -> list[str]:
    return [
        f"/* One inference. `arena`: {macro}_ARENA_BYTES bytes, aligned to {macro}_ARENA_ALIGN. */",
        f"enum midge_status {name}_run(void *arena, void *state);",
        "",
    ]


def _feed_macros(graph: Graph) -> list[str]:
    """Sizes of a frame, for the header."""
    macro, source = graph.name.upper(), graph.tensors[graph.inputs[0]]
    return [
        "/* Input 0 is handed in row by row. */",
        f"#define {macro}_ROWS {source.shape[1]}",
        f"#define {macro}_ROW_BYTES {row_bytes(source)}",
        "",
    ]


def _feed_usage(graph: Graph, state: str) -> list[str]:
    """Lines of the header's comment that show a frame."""
    name, macro = graph.name, graph.name.upper()
    return [
        f" *     {name}_init(arena, {state});",
        f" *     for (int i = 0; i < {macro}_ROWS; i++) {{",
        f" *         status = {name}_feed_row(arena, {state}, next_row());",
        " *     }",
        f" *     if (status == MIDGE_OK) consume({name}_output(arena, 0));",
    ]


def _feed_declarations(graph: Graph) -> list[str]:
    """What the header declares in place of ``_input`` and ``_run``."""
    name, macro = graph.name, graph.name.upper()
    return [
        "/* Give up the rows handed in so far: the next row is the first of a frame. `init` does it too. */",
        f"void {name}_begin_frame(void *arena);",
        "",
        f"/* Hand in the next row of input 0, from the top: {macro}_ROW_BYTES bytes at any address, read before the call returns.",
        "   MIDGE_MORE_ROWS until the frame is complete; with its last row the network runs to its end: MIDGE_OK, and the",
        f"   outputs are there until the next row, which begins the next frame. `arena`: {macro}_ARENA_BYTES bytes, aligned to",
        f"   {macro}_ARENA_ALIGN, which nobody else writes to before the frame is complete. */",
        f"enum midge_status {name}_feed_row(void *arena, void *state, const {element_type(graph.tensors[graph.inputs[0]])} *row);",
        "",
    ]
