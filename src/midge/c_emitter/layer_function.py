"""The C function of one layer: its constants, its name, the calls of its kernel."""

from __future__ import annotations

from midge.c_emitter import c_text
from midge.c_emitter.kernel import Call, Kernel, Layer


def layer_title(layer: Layer, kernel: Kernel) -> str:
    """What stands above a layer's function: its name, shapes and kernel."""
    shapes = ", ".join(c_text.shape_text(t) for t in layer.inputs if t is not None)
    results = ", ".join(c_text.shape_text(t) for t in layer.outputs) or "state"
    return f"{layer.op.name}: {shapes} -> {results}; {kernel.variant}"


def layer_function(symbol: str, parameters: str, kernel: Kernel, call: Call, title: str) -> str:
    """Constants and function of one layer.

    Args:
        symbol: Name of the function, and what its constants' names begin with.
        parameters: Of the function; the first is ``uint8_t *arena``.
        kernel: Whose function is called.
        call: With what.
        title: For the comment above.
    """
    constants = [
        c_text.array(f"{symbol}_{c.suffix}", c.values, c.alignment) for c in call.constants
    ]
    calls = [_call(kernel, each) for each in (call, *call.further)]
    # A layer from a constant or a variable to a variable has nothing in the arena.
    unused = [] if any("arena + " in text for text in calls) else ["    (void)arena;"]
    return "\n".join(
        [
            f"/* {c_text.comment(title)} */",
            *constants,
            f"MIDGE_LAYER void {symbol}({parameters}) {{",
            "    MIDGE_KEEP_LAYER;",
            *unused,
            *calls,
            "}\n",
        ]
    )


def _call(kernel: Kernel, call: Call) -> str:
    arguments = [*call.arguments, c_text.compound(call.struct, call.fields, 8)]
    lines = ",\n".join(f"        {a}" for a in arguments)
    return f"    {kernel.function}(\n{lines});"


def pointer(kind: str, place: str) -> str:
    """A typed pointer to bytes; the plan's offsets are multiples of every type's alignment."""
    return f"({kind} *)({place})" if kind.endswith("int8_t") else f"({kind} *)(void *)({place})"
