"""Where a network's variables stand in the memory that outlives a run, and how it is set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from midge.c_emitter import c_text
from midge.graph import Array, Graph, Tensor

STATE_ALIGNMENT = 16
_PLACE_ALIGNMENT = 8


@dataclass(frozen=True)
class StateLayout:
    """Offsets of the variables.

    Attributes:
        offsets: Of each variable's first byte, by name; each a multiple of 8.
        size_bytes: Of all of them; 0 where a network has none.
    """

    offsets: dict[str, int]
    size_bytes: int


def lay_out_state(graph: Graph) -> StateLayout:
    """One variable behind the other, in graph order."""
    offsets: dict[str, int] = {}
    end = 0
    for tensor in graph.variables:
        start = -(-end // _PLACE_ALIGNMENT) * _PLACE_ALIGNMENT
        offsets[tensor.name] = start
        end = start + tensor.size_bytes
    return StateLayout(offsets, end)


def reset_text(graph: Graph, layout: StateLayout) -> list[str]:
    """The constants and the body of ``<name>_reset``: every variable gets its first value.

    A first value of equal bytes is filled in; another stands in flash and is copied.
    """
    constants: list[str] = []
    lines: list[str] = []
    for number, tensor in enumerate(graph.variables):
        first = first_value(tensor)
        content = first.tobytes()
        place = f"bytes + {layout.offsets[tensor.name]}"
        comment = c_text.comment(tensor.name)
        if content == content[:1] * len(content):
            lines.append(f"    MIDGE_FILL({place}, {content[0]}, {len(content)}); /* {comment} */")
        else:
            constant = f"{graph.name}_state_{number}"
            constants.append(c_text.array(constant, first.reshape(-1), 4))
            lines.append(f"    MIDGE_COPY({place}, {constant}, {len(content)}); /* {comment} */")
    return [
        *constants,
        f"void {graph.name}_reset(void *state) {{",
        *(["    uint8_t *bytes = state;"] if lines else ["    (void)state;"]),
        *lines,
        "}\n",
    ]


def first_value(variable: Tensor) -> Array:
    """What a variable holds before the first run."""
    return np.ascontiguousarray(variable.data)
