"""The table of operators: for a terminal, and as the page that is generated from the code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from midge.report.wording import aligned

Json = dict[str, Any]

_YES, _NO = "yes", "-"


def render_operators_text(content: Json) -> str:
    """The table for a terminal.

    Args:
        content: What `midge ops --json` writes.
    """
    heads = ("operator", *content["types"], "kernels", "graph")
    rows = [
        (
            row["builtin"],
            *(_YES if t in row["types"] else _NO for t in content["types"]),
            ", ".join(row["kernels"]) or _NO,
            ", ".join(row["graph"]) or "(names a variable)",
        )
        for row in content["operators"]
    ]
    lines = aligned([heads, *rows], range(len(heads)))
    return "\n".join(
        [
            *lines,
            "",
            f"{len(rows)} operators. A column says which element types the first input may have.",
            f"Cores: {_cores(content)}",
            f"In TFLite Micro, not here: {', '.join(content['missing']['builtins'])}",
            f"Its own, not here: {', '.join(content['missing']['custom'])}",
        ]
    )


def _cores(content: Json) -> str:
    parts = [f"portable kernels run on {', '.join(content['cores'])}"]
    for unit, cores in content["units"].items():
        parts.append(f"{unit} kernels on {', '.join(cores)}")
    parts.append(f"float32 is computed in software on {', '.join(content['software_float'])}")
    return "; ".join(parts) + "."


def render_operators_markdown(content: Json) -> str:
    """The page `docs/operators.md`.

    Args:
        content: What `midge ops --json` writes.
    """
    types = content["types"]
    summary = [
        (
            f"`{row['builtin']}`",
            *(_YES if t in row["types"] else "" for t in types),
            ", ".join(row["kernels"]),
            ", ".join(f"[{kind}](#{kind})" for kind in row["graph"]),
        )
        for row in content["operators"]
    ]
    missing = content["missing"]
    parts = [
        "# Operators",
        "Written by `midge ops --markdown docs/operators.md` from the code; a test holds it "
        "against the code.",
        f"{len(summary)} operators of .tflite files. A column says which element types the first "
        "input may have; what the others are follows and stands with the operator below. Weights "
        "may be int4 where the operator says so.",
        _table(("operator", *types, "kernels", "becomes"), summary),
        f"{_capitalised(_cores(content))} The results are the same bits everywhere.",
        "## In TFLite Micro, not here",
        f"{', '.join(f'`{name}`' for name in missing['builtins'])}; and of its own operators "
        f"{', '.join(f'`{name}`' for name in missing['custom'])}.",
        "## The operators of the graph",
        *(_section(operator) for operator in content["graph"]),
    ]
    return "\n\n".join(parts) + "\n"


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]


def _section(operator: Json) -> str:
    parts = [
        f"### {operator['kind']}",
        _origin(operator["builtins"]),
        f"```text\n{operator['description']}\n```",
    ]
    if operator["attributes"]:
        rows = [(f"`{name}`", kind, default) for name, kind, default in operator["attributes"]]
        parts.append(_table(("attribute", "type", "default"), rows))
    if operator["kernels"]:
        kernels = [
            (f"`{k['function']}`", k["variant"], ", ".join(k["types"]), f"`{k['source']}`")
            for k in operator["kernels"]
        ]
        parts.append(_table(("kernel", "variant", "types", "file"), kernels))
    elif operator["reads_values"]:
        parts.append("No kernel: its output is its input's bytes.")
    else:
        parts.append("No kernel: its output is known when the network is compiled.")
    return "\n\n".join(parts)


def _origin(builtins: Sequence[str]) -> str:
    if not builtins:
        return "No operator of .tflite files becomes it: for networks of PyTorch and ONNX."
    return f"From {', '.join(f'`{name}`' for name in builtins)}."


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
