"""The text of `<name>.h`: what an application needs to know of a network."""

from __future__ import annotations

from midge.c_emitter import c_text
from midge.graph import Graph, Tensor
from midge.memory_plan import Plan

_STATUS = """\
#ifndef MIDGE_STATUS
#define MIDGE_STATUS
enum midge_status {
    MIDGE_OK = 0,        /* the outputs are there */
    MIDGE_BAD_ARENA = 1  /* the arena is NULL or not aligned; nothing was written */
};
#endif
"""


def header_text(graph: Graph, plan: Plan, version: str, licence: str, alignment: int) -> str:
    """Sizes, tensors, functions, and helpers between real and stored numbers.

    Args:
        graph: The network.
        plan: Its memory plan.
        version: Midge's.
        licence: Lines for the header comment.
        alignment: Of the arena, in bytes.
    """
    name, macro = graph.name, graph.name.upper()
    inputs = [graph.tensors[n] for n in graph.inputs]
    outputs = [graph.tensors[n] for n in graph.outputs]
    lines = [
        "/*",
        f" * {name}.h: emitted by Midge {version}. Do not edit: compile the model again.",
        *(f" * {line}" for line in licence.splitlines()),
        " *",
        f" * model  {'sha256 ' + graph.digest if graph.digest else 'made in memory'}",
        f" * work   {graph.macs()} multiply-accumulates, {len(graph.ops)} layers",
        f" * arena  {plan.arena_bytes} bytes; state 0 bytes; constants of the model {graph.constant_bytes()} bytes",
        " *",
        f" *     static uint8_t arena[{macro}_ARENA_BYTES] __attribute__((aligned({macro}_ARENA_ALIGN)));",
        f" *     {name}_init(arena, NULL);",
        f" *     memcpy({name}_input(arena, 0), samples, {macro}_INPUT0_BYTES);",
        f" *     if ({name}_run(arena, NULL) == MIDGE_OK) consume({name}_output(arena, 0));",
        " *",
        " * No global variables, no heap: an arena for each thread makes it re-entrant.",
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
        f"#define {macro}_STATE_BYTES 0",
        f"#define {macro}_INPUTS {len(inputs)}",
        f"#define {macro}_OUTPUTS {len(outputs)}",
        "",
        *(line for i, t in enumerate(inputs) for line in _tensor(macro, f"INPUT{i}", t)),
        *(line for i, t in enumerate(outputs) for line in _tensor(macro, f"OUTPUT{i}", t)),
        "/* Call once before the first run. Today no network has state; `state` may be NULL. */",
        f"void {name}_init(void *arena, void *state);",
        "",
        "/* Where to write input `index` before a run; NULL when there is no such input. A run may overwrite it, unless the network was\n   compiled with --keep-input. */",
        f"int8_t *{name}_input(void *arena, unsigned index);",
        "",
        "/* Where output `index` stands after a run, until the next write to an input; NULL when there is none. */",
        f"const int8_t *{name}_output(const void *arena, unsigned index);",
        "",
        f"/* One inference. `arena`: {macro}_ARENA_BYTES bytes, aligned to {macro}_ARENA_ALIGN. */",
        f"enum midge_status {name}_run(void *arena, void *state);",
        "",
        *(line for i, t in enumerate(inputs) for line in _quantize(name, macro, i, t)),
        *(line for i, t in enumerate(outputs) for line in _dequantize(name, macro, i, t)),
        "#ifdef __cplusplus",
        "}",
        "#endif",
        f"#endif /* MIDGE_NETWORK_{macro}_H */",
        "",
    ]
    return "\n".join(lines)


def _tensor(macro: str, role: str, tensor: Tensor) -> list[str]:
    lines = [
        f"/* {c_text.comment(tensor.name)}: {c_text.shape_text(tensor)} */",
        f"#define {macro}_{role}_BYTES {tensor.size_bytes}",
    ]
    if tensor.quantization is not None:
        lines += [
            f"#define {macro}_{role}_SCALE {float_literal(tensor.scale)}",
            f"#define {macro}_{role}_ZERO_POINT ({tensor.zero_point})",
        ]
    return [*lines, ""]


def _quantize(name: str, macro: str, index: int, tensor: Tensor) -> list[str]:
    if tensor.quantization is None:
        return []
    low, high = tensor.dtype.limits
    reach = high - low + 1
    return [
        f"/* A real number as input {index} stores it: the quotient by the scale rounded half away from zero,",
        "   plus the zero point, saturated. What is not a number is stored as the least value. */",
        f"static inline int8_t {name}_quantize_input{index}(float real) {{",
        f"    const float steps = real / {macro}_INPUT{index}_SCALE;",
        f"    if (!(steps > -{reach}.0f)) {{",
        f"        return {low};",
        "    }",
        f"    if (steps >= {reach}.0f) {{",
        f"        return {high};",
        "    }",
        "    int stored = (int)steps;",
        "    /* Exact, where adding a half before truncating would round the largest number under it up. */",
        "    const float rest = steps - (float)stored;",
        f"    stored += {macro}_INPUT{index}_ZERO_POINT + (rest >= 0.5f) - (rest <= -0.5f);",
        f"    return (int8_t)(stored < {low} ? {low} : stored > {high} ? {high} : stored);",
        "}",
        "",
    ]


def _dequantize(name: str, macro: str, index: int, tensor: Tensor) -> list[str]:
    if tensor.quantization is None:
        return []
    return [
        f"/* The real number that a value of output {index} stands for. */",
        f"static inline float {name}_dequantize_output{index}(int8_t stored) {{",
        f"    return (float)(stored - {macro}_OUTPUT{index}_ZERO_POINT) * {macro}_OUTPUT{index}_SCALE;",
        "}",
        "",
    ]


def float_literal(value: float) -> str:
    """A float32 as a C literal that reads back exactly."""
    text = f"{value:.9g}"
    return text + ("f" if "." in text or "e" in text else ".0f")
