"""Graph, kernels and plan -> the text of `<name>.h` and `<name>.c`.

The same input gives the same bytes: no dates, no paths, nothing from a set's order.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np

from midge.c_emitter import c_text
from midge.c_emitter.amalgamate import kernel_text
from midge.c_emitter.choose import Choice
from midge.c_emitter.header import header_text
from midge.c_emitter.interface import element_type, interface_type
from midge.c_emitter.kernel import Call, Kernel, Layer, Places, layers_of
from midge.c_emitter.state import lay_out_state, reset_text
from midge.errors import UserError
from midge.graph import Graph, Tensor
from midge.memory_plan import Plan

ARENA_ALIGNMENT = 16
_INCLUDED = ("stddef", "stdint")

LICENCE = """\
The compiler's licence does not reach what it emits: you may use, change and ship this file
under any terms, without notices. See "Output licence exception" in Midge's README."""


@dataclass(frozen=True)
class Emitted:
    """The emitted library.

    Attributes:
        files: Text by file name.
        layer_symbols: The C function of each layer in running order; None where nothing is
            computed.
    """

    files: dict[str, str]
    layer_symbols: tuple[str | None, ...]


def emit_c(graph: Graph, choice: Choice, plan: Plan, version: str) -> Emitted:
    """Write the C library of a planned graph.

    Args:
        graph: A verified graph, its ops in running order.
        choice: A kernel for each op.
        plan: Places for `planning_problem(graph, choice)`, in the same order.
        version: Midge's, for the header comment.

    Raises:
        UserError: the graph has the name of a header that the emitted files include.
    """
    if graph.name.lower() in _INCLUDED:
        raise UserError(
            f"{graph.name}: {graph.name}.h would stand in the way of the C library's header, which "
            "the emitted files include; give the network another name (--name)"
        )
    layers = layers_of(graph)
    symbols = tuple(
        None if kernel is None else f"{graph.name}_{layer.symbol}"
        for layer, kernel in zip(layers, choice, strict=True)
    )
    writer = _Writer(graph, plan)
    bodies = [
        writer.layer(layer, kernel)
        for layer, kernel in zip(layers, choice, strict=True)
        if kernel is not None
    ]
    source = "\n".join(
        [
            _comment(
                f"{graph.name}.c: emitted by Midge {version}. Do not edit: compile the model "
                f"again.\n"
                f"{LICENCE}\n\n"
                "From top to bottom: the kernels that this network uses; then, for each layer, "
                "its\n"
                "constants and its function; then the functions of the header."
            ),
            f'#include "{graph.name}.h"\n',
            "/* ---- kernels ---- */\n",
            kernel_text({k.source for k in choice if k is not None} or {"base.h"}),
            *_tile_texts(layers, choice),
            "/* ---- layers ---- */\n",
            *bodies,
            "/* ---- interface ---- */\n",
            writer.interface(symbols),
        ]
    )
    header = header_text(graph, plan, version, LICENCE, ARENA_ALIGNMENT)
    return Emitted({f"{graph.name}.h": header, f"{graph.name}.c": source}, symbols)


def _tile_texts(layers: tuple[Layer, ...], choice: Choice) -> list[str]:
    """The generated functions of all layers, each once, in the order in which layers need them."""
    texts = {
        tile.name: tile.text
        for layer, kernel in zip(layers, choice, strict=True)
        if kernel is not None
        for tile in kernel.tiles(layer)
    }
    return ["/* ---- tiles ---- */\n", *texts.values()] if texts else []


class _Writer:
    """Names and places of one graph's tensors."""

    def __init__(self, graph: Graph, plan: Plan) -> None:
        self.graph = graph
        self.plan = plan
        self.state = lay_out_state(graph)

    def _address(self, tensor: Tensor, *, const: bool) -> str:
        qualifier = "const " if const else ""
        place = f"arena + {self.plan.offsets[tensor.name]}"
        return _pointer(f"{qualifier}{element_type(tensor)}", place)

    def _input(self, tensor: Tensor | None) -> str:
        if tensor is None or tensor.is_constant:
            return "NULL"
        if tensor.variable:
            return _pointer(element_type(tensor), f"state + {self.state.offsets[tensor.name]}")
        return self._address(tensor, const=True)

    def layer(self, layer: Layer, kernel: Kernel) -> str:
        """Constants and function of one layer."""
        prefix = f"{self.graph.name}_{layer.symbol}"
        scratch = self.plan.scratch_offsets.get(layer.op.name)
        places = Places(
            inputs=tuple(self._input(t) for t in layer.inputs),
            outputs=tuple(self._address(t, const=False) for t in layer.outputs),
            scratch="NULL" if scratch is None else f"(arena + {scratch})",
            constant=lambda suffix: f"{prefix}_{suffix}",
        )
        call = kernel.call(layer, places)
        constants = [
            c_text.array(f"{prefix}_{c.suffix}", c.values, c.alignment) for c in call.constants
        ]
        shapes = ", ".join(c_text.shape_text(t) for t in layer.inputs if t is not None)
        results = ", ".join(c_text.shape_text(t) for t in layer.outputs) or "state"
        title = f"{layer.op.name}: {shapes} -> {results}; {kernel.variant}"
        calls = [self._call(kernel, each) for each in (call, *call.further)]
        # A layer from a constant or a variable to a variable has nothing in the arena.
        unused = [] if any("arena + " in text for text in calls) else ["    (void)arena;"]
        return "\n".join(
            [
                f"/* {c_text.comment(title)} */",
                *constants,
                f"MIDGE_LAYER void {prefix}({self._parameters(layer)}) {{",
                "    MIDGE_KEEP_LAYER;",
                *unused,
                *calls,
                "}\n",
            ]
        )

    @staticmethod
    def _parameters(layer: Layer) -> str:
        return "uint8_t *arena, uint8_t *state" if layer.has_state else "uint8_t *arena"

    @staticmethod
    def _call(kernel: Kernel, call: Call) -> str:
        arguments = [*call.arguments, c_text.compound(call.struct, call.fields, 8)]
        lines = ",\n".join(f"        {a}" for a in arguments)
        return f"    {kernel.function}(\n{lines});"

    def interface(self, symbols: tuple[str | None, ...]) -> str:
        """init, reset, input, output and run."""
        graph = self.graph
        name, macro = graph.name, graph.name.upper()
        inputs = [graph.tensors[n] for n in graph.inputs]
        outputs = [graph.tensors[n] for n in graph.outputs]
        constants = [
            c_text.array(f"{name}_output_{i}", np.asarray(t.data).reshape(-1), 4)
            for i, t in enumerate(outputs)
            if t.is_constant
        ]
        calls = [
            f"    {symbol}(bytes{', kept' if layer.has_state else ''});"
            for layer, symbol in zip(layers_of(graph), symbols, strict=True)
            if symbol is not None
        ]
        input_type, output_type = interface_type(inputs), interface_type(outputs)
        refused = f"arena == NULL || (uintptr_t)arena % {macro}_ARENA_ALIGN != 0"
        state_check = [
            f"    if (state == NULL || (uintptr_t)state % {macro}_STATE_ALIGN != 0) {{",
            "        return MIDGE_BAD_STATE;",
            "    }",
        ]
        return "\n".join(
            [
                *constants,
                *reset_text(graph, self.state),
                f"void {name}_init(void *arena, void *state) {{",
                "    /* The arena needs no first value: nothing in it outlives a run. */",
                "    (void)arena;",
                f"    {name}_reset(state);",
                "}\n",
                f"{input_type} *{name}_input(void *arena, unsigned index) {{",
                _select([f"({input_type} *)((uint8_t *)arena + {self._at(t)})" for t in inputs]),
                "}\n",
                f"const {output_type} *{name}_output(const void *arena, unsigned index) {{",
                _select(
                    [
                        f"{name}_output_{i}"
                        if t.is_constant
                        else f"(const {output_type} *)((const uint8_t *)arena + {self._at(t)})"
                        for i, t in enumerate(outputs)
                    ]
                ),
                "}\n",
                f"enum midge_status {name}_run(void *arena, void *state) {{",
                *(["    uint8_t *bytes = arena;"] if calls else []),
                *(["    uint8_t *kept = state;"] if self.state.size_bytes else []),
                *(["    (void)state;"] if not self.state.size_bytes else []),
                f"    if ({refused}) {{",
                "        return MIDGE_BAD_ARENA;",
                "    }",
                *(state_check if self.state.size_bytes else []),
                *calls,
                "    return MIDGE_OK;",
                "}\n",
            ]
        )

    def _at(self, tensor: Tensor) -> int:
        return self.plan.offsets[tensor.name]


def _pointer(kind: str, place: str) -> str:
    """A typed pointer to bytes; the plan's offsets are multiples of every type's alignment."""
    return f"({kind} *)({place})" if kind.endswith("int8_t") else f"({kind} *)(void *)({place})"


def _select(expressions: list[str]) -> str:
    cases = [f"    case {i}:\n        return {e};" for i, e in enumerate(expressions)]
    return "\n".join(
        [
            "    (void)arena;",
            "    switch (index) {",
            *cases,
            "    default:",
            "        return NULL;",
            "    }",
        ]
    )


def _comment(text: str) -> str:
    return "/*\n" + textwrap.indent(text, " * ", lambda _: True).replace(" * \n", " *\n") + "\n */"
