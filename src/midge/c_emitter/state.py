"""Where a network's variables stand in the memory that outlives a run, and how it is set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from midge.c_emitter import c_text
from midge.graph import Graph, Tensor

STATE_ALIGNMENT = 16
_PLACE_ALIGNMENT = 8


@dataclass(frozen=True)
class StateLayout:
    """Offsets of the variables.

    Attributes:
        offsets: Of each variable's first byte, by name; each a multiple of 8.
        size_bytes: Of all of them, a multiple of 8; 0 where a network has none.
    """

    offsets: dict[str, int]
    size_bytes: int


def lay_out_state(graph: Graph) -> StateLayout:
    """One variable behind the other, in graph order."""
    offsets: dict[str, int] = {}
    end = 0
    for tensor in graph.variables:
        offsets[tensor.name] = end
        end += -(-tensor.size_bytes // _PLACE_ALIGNMENT) * _PLACE_ALIGNMENT
    return StateLayout(offsets, end)


def reset_text(graph: Graph, layout: StateLayout) -> list[str]:
    """The constants and the body of ``<name>_reset``: every variable gets its first value.

    A first value of equal bytes is filled in; another stands in flash and is copied.
    """
    constants: list[str] = []
    lines: list[str] = []
    for number, tensor in enumerate(graph.variables):
        place, size = f"bytes + {layout.offsets[tensor.name]}", tensor.size_bytes
        comment = c_text.comment(tensor.name)
        byte = _only_byte(tensor)
        if byte is not None:
            lines.append(f"    MIDGE_FILL({place}, {byte}, {size}); /* {comment} */")
        else:
            constant = f"{graph.name}_state_{number}"
            first = np.ascontiguousarray(tensor.data).reshape(-1)
            constants.append(c_text.array(constant, first, 4))
            lines.append(f"    MIDGE_COPY({place}, {constant}, {size}); /* {comment} */")
    macro = graph.name.upper()
    refused = f"state == NULL || (uintptr_t)state % {macro}_STATE_ALIGN != 0"
    guard = [
        "    uint8_t *bytes = state;",
        f"    if ({refused}) {{",
        f"        return; /* {graph.name}_run says so */",
        "    }",
    ]
    return [
        *constants,
        f"void {graph.name}_reset(void *state) {{",
        *(guard if lines else ["    (void)state;"]),
        *lines,
        "}\n",
    ]


def _only_byte(variable: Tensor) -> int | None:
    """The byte that all of a first value consists of; None where there are several."""
    first = np.asarray(variable.data)
    if not any(first.strides):
        # One element, repeated: looked at without being written out.
        first = first.reshape(-1)[:1] if first.ndim == 0 else first[(slice(0, 1),) * first.ndim]
    content = np.frombuffer(first.tobytes(), np.uint8)
    return int(content[0]) if np.all(content == content[0]) else None
