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
from midge.c_emitter.kernel import Call, Kernel, Layer, Places, layers_of
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
            "/* ---- layers ---- */\n",
            *bodies,
            "/* ---- interface ---- */\n",
            writer.interface(symbols),
        ]
    )
    header = header_text(graph, plan, version, LICENCE, ARENA_ALIGNMENT)
    return Emitted({f"{graph.name}.h": header, f"{graph.name}.c": source}, symbols)


class _Writer:
    """Names and places of one graph's tensors."""

    def __init__(self, graph: Graph, plan: Plan) -> None:
        self.graph = graph
        self.plan = plan

    def _address(self, tensor: Tensor, *, const: bool) -> str:
        kind = c_text.c_type(tensor.dtype.numpy)
        qualifier = "const " if const else ""
        return f"({qualifier}{kind} *)(arena + {self.plan.offsets[tensor.name]})"

    def _input(self, tensor: Tensor | None) -> str:
        return "NULL" if tensor is None or tensor.is_constant else self._address(tensor, const=True)

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
        title = f"{layer.op.name}: {shapes} -> {c_text.shape_text(layer.output)}; {kernel.variant}"
        return "\n".join(
            [
                f"/* {c_text.comment(title)} */",
                *constants,
                f"MIDGE_LAYER void {prefix}(uint8_t *arena) {{",
                "    MIDGE_KEEP_LAYER;",
                self._call(kernel, call),
                "}\n",
            ]
        )

    @staticmethod
    def _call(kernel: Kernel, call: Call) -> str:
        arguments = [*call.arguments, c_text.compound(call.struct, call.fields, 8)]
        lines = ",\n".join(f"        {a}" for a in arguments)
        return f"    {kernel.function}(\n{lines});"

    def interface(self, symbols: tuple[str | None, ...]) -> str:
        """init, input, output and run."""
        graph = self.graph
        name, macro = graph.name, graph.name.upper()
        constants = [
            c_text.array(
                f"{name}_output_{i}", np.asarray(graph.tensors[n].data, np.int8).reshape(-1), 4
            )
            for i, n in enumerate(graph.outputs)
            if graph.tensors[n].is_constant
        ]
        calls = [f"    {s}(bytes);" for s in symbols if s is not None]
        outputs = [
            f"{name}_output_{i}"
            if graph.tensors[n].is_constant
            else self._output_address(graph.tensors[n])
            for i, n in enumerate(graph.outputs)
        ]
        return "\n".join(
            [
                *constants,
                f"void {name}_init(void *arena, void *state) {{",
                "    /* Nothing outlives a run: neither the arena nor the state needs a first "
                "value. */",
                "    (void)arena;",
                "    (void)state;",
                "}\n",
                f"int8_t *{name}_input(void *arena, unsigned index) {{",
                self._select([self._input_address(graph.tensors[n]) for n in graph.inputs]),
                "}\n",
                f"const int8_t *{name}_output(const void *arena, unsigned index) {{",
                self._select(outputs),
                "}\n",
                f"enum midge_status {name}_run(void *arena, void *state) {{",
                *(["    uint8_t *bytes = arena;"] if calls else []),
                "    (void)state;",
                f"    if (arena == NULL || (uintptr_t)arena % {macro}_ARENA_ALIGN != 0) {{",
                "        return MIDGE_BAD_ARENA;",
                "    }",
                *calls,
                "    return MIDGE_OK;",
                "}\n",
            ]
        )

    def _input_address(self, tensor: Tensor) -> str:
        return f"(int8_t *)arena + {self.plan.offsets[tensor.name]}"

    def _output_address(self, tensor: Tensor) -> str:
        return f"(const int8_t *)arena + {self.plan.offsets[tensor.name]}"

    @staticmethod
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
