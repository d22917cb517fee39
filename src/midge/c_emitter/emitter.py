"""Graph, kernels and plan -> the text of `<name>.h` and `<name>.c`.

The same input gives the same bytes: no dates, no paths, nothing from a set's order.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.c_emitter import c_text
from midge.c_emitter.amalgamate import kernel_text
from midge.c_emitter.choose import Choice
from midge.c_emitter.header import header_text
from midge.c_emitter.interface import element_type, interface_type
from midge.c_emitter.kernel import Kernel, Layer, Places, layers_of
from midge.c_emitter.layer_function import layer_function, layer_title, pointer
from midge.c_emitter.state import lay_out_state, reset_text
from midge.c_emitter.streaming import Group
from midge.c_emitter.streaming_emit import SOURCES, GroupCode, group_code
from midge.c_emitter.streaming_feed import FEED_SOURCES, feed_functions
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
            computed. That of a group of rows stands at its last layer, None at the others.
    """

    files: dict[str, str]
    layer_symbols: tuple[str | None, ...]


def emit_c(
    graph: Graph, choice: Choice, plan: Plan, version: str, groups: Sequence[Group] = ()
) -> Emitted:
    """Write the C library of a planned graph.

    Args:
        graph: A verified graph, its ops in running order.
        choice: A kernel for each op.
        plan: Places for `planning_problem(graph, choice, groups=groups)`, in the same order.
        version: Midge's, for the header comment.
        groups: Operators that run row by row. Where the first one is fed, the header has
            ``<name>_feed_row`` in place of ``<name>_input`` and ``<name>_run``.

    Raises:
        UserError: the graph has the name of a header that the emitted files include.
    """
    if graph.name.lower() in _INCLUDED:
        raise UserError(
            f"{graph.name}: {graph.name}.h would stand in the way of the C library's header, which "
            "the emitted files include; give the network another name (--name)"
        )
    writer = _Writer(graph, plan)
    grouped = {g.last: (g, group_code(graph, g, plan)) for g in groups}
    inside = {i for g in groups for i in range(g.first, g.last)}
    symbols: list[str | None] = []
    bodies: list[str] = []
    used: list[tuple[Layer, Kernel]] = []
    for layer, kernel in zip(layers_of(graph), choice, strict=True):
        group, code = grouped.get(layer.index, (None, None))
        if code is not None:
            bodies.append(code.text)
            used += code.calls
            symbols.append(None if group is not None and group.fed else code.symbol)
        elif kernel is None or layer.index in inside:
            symbols.append(None)
        else:
            bodies.append(writer.layer(layer, kernel))
            used.append((layer, kernel))
            symbols.append(f"{graph.name}_{layer.symbol}")
    fed = next((code for group, code in grouped.values() if group.fed), None)
    sources = {source for _, kernel in used for source in (kernel.source, *kernel.further_sources)}
    sources |= set(SOURCES) if groups else set()
    sources |= set(FEED_SOURCES) if fed is not None else set()
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
            kernel_text(sources or {"base.h"}),
            *_tile_texts(used),
            "/* ---- layers ---- */\n",
            *bodies,
            "/* ---- interface ---- */\n",
            writer.interface(tuple(symbols), fed),
        ]
    )
    header = header_text(graph, plan, version, LICENCE, ARENA_ALIGNMENT, fed=fed is not None)
    return Emitted({f"{graph.name}.h": header, f"{graph.name}.c": source}, tuple(symbols))


def _tile_texts(used: Sequence[tuple[Layer, Kernel]]) -> list[str]:
    """The generated functions of all layers, each once, in the order in which layers need them."""
    texts = {tile.name: tile.text for layer, kernel in used for tile in kernel.tiles(layer)}
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
        return pointer(f"{qualifier}{element_type(tensor)}", place)

    def _input(self, tensor: Tensor | None) -> str:
        if tensor is None or tensor.is_constant:
            return "NULL"
        if tensor.variable:
            return pointer(element_type(tensor), f"state + {self.state.offsets[tensor.name]}")
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
        title = layer_title(layer, kernel)
        return layer_function(prefix, self._parameters(layer), kernel, call, title)

    @staticmethod
    def _parameters(layer: Layer) -> str:
        return "uint8_t *arena, uint8_t *state" if layer.has_state else "uint8_t *arena"

    def interface(self, symbols: tuple[str | None, ...], fed: GroupCode | None) -> str:
        """init, reset, output, and input and run, or what rows are fed by."""
        graph = self.graph
        outputs = [graph.tensors[n] for n in graph.outputs]
        constants = [
            c_text.array(f"{graph.name}_output_{i}", np.asarray(t.data).reshape(-1), 4)
            for i, t in enumerate(outputs)
            if t.is_constant
        ]
        calls = [
            f"    {symbol}(bytes{', kept' if layer.has_state else ''});"
            for layer, symbol in zip(layers_of(graph), symbols, strict=True)
            if symbol is not None
        ]
        parts = [*constants, *reset_text(graph, self.state)]
        if fed is not None:
            checks = self._checks()
            parts += feed_functions(graph, self.plan, fed.symbol, checks, calls)
            return "\n".join([*parts, self._output()])
        return "\n".join(
            [*parts, self._init(), self._input_function(), self._output(), self._run(calls)]
        )

    def _checks(self) -> list[str]:
        """Statements that refuse an arena or a state that cannot be used."""
        macro = self.graph.name.upper()
        state = [
            f"    if (state == NULL || (uintptr_t)state % {macro}_STATE_ALIGN != 0) {{",
            "        return MIDGE_BAD_STATE;",
            "    }",
        ]
        return [
            *(["    uint8_t *kept = state;"] if self.state.size_bytes else []),
            *(["    (void)state;"] if not self.state.size_bytes else []),
            f"    if (arena == NULL || (uintptr_t)arena % {macro}_ARENA_ALIGN != 0) {{",
            "        return MIDGE_BAD_ARENA;",
            "    }",
            *(state if self.state.size_bytes else []),
        ]

    def _init(self) -> str:
        name = self.graph.name
        return "\n".join(
            [
                f"void {name}_init(void *arena, void *state) {{",
                "    /* The arena needs no first value: nothing in it outlives a run. */",
                "    (void)arena;",
                f"    {name}_reset(state);",
                "}\n",
            ]
        )

    def _input_function(self) -> str:
        inputs = [self.graph.tensors[n] for n in self.graph.inputs]
        kind = interface_type(inputs)
        return "\n".join(
            [
                f"{kind} *{self.graph.name}_input(void *arena, unsigned index) {{",
                _select([f"({kind} *)((uint8_t *)arena + {self._at(t)})" for t in inputs]),
                "}\n",
            ]
        )

    def _output(self) -> str:
        name = self.graph.name
        outputs = [self.graph.tensors[n] for n in self.graph.outputs]
        kind = interface_type(outputs)
        return "\n".join(
            [
                f"const {kind} *{name}_output(const void *arena, unsigned index) {{",
                _select(
                    [
                        f"{name}_output_{i}"
                        if t.is_constant
                        else f"(const {kind} *)((const uint8_t *)arena + {self._at(t)})"
                        for i, t in enumerate(outputs)
                    ]
                ),
                "}\n",
            ]
        )

    def _run(self, calls: list[str]) -> str:
        return "\n".join(
            [
                f"enum midge_status {self.graph.name}_run(void *arena, void *state) {{",
                *(["    uint8_t *bytes = arena;"] if calls else []),
                *self._checks(),
                *calls,
                "    return MIDGE_OK;",
                "}\n",
            ]
        )

    def _at(self, tensor: Tensor) -> int:
        return self.plan.offsets[tensor.name]


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
