"""Does the program fit the board?"""

from __future__ import annotations

from midge.driver.artifact import Artifact
from midge.errors import DoesNotFitError
from midge.virtual_mcu import stack_bound


def check_fits(artifact: Artifact) -> None:
    """Compare RAM and flash with the board's.

    The stack counts with its static bound.

    Raises:
        DoesNotFitError: by how much it does not, and what holds the space.
    """
    target = artifact.settings.target
    if artifact.program is None or target.ram_bytes is None or target.flash_bytes is None:
        return
    bound = stack_bound(artifact.program, f"{artifact.graph.name}_run").bytes
    ram, flash = artifact.ram_bytes(bound or 0).total, artifact.flash_bytes.total
    problems = []
    for memory, needed, present, holders in (
        ("RAM", ram, target.ram_bytes, _ram_holders),
        ("flash", flash, target.flash_bytes, _flash_holders),
    ):
        if needed > present:
            problems.append(
                f"{memory}: needs {needed} bytes, the board has {present}: {needed - present} too "
                f"many. Held by {holders(artifact)}"
            )
    if problems:
        raise DoesNotFitError(
            f"{artifact.graph.name} does not fit {target.title}:\n  " + "\n  ".join(problems) + "\n"
            "Choose a larger board (`midge targets`), or a smaller network"
        )


def _ram_holders(artifact: Artifact) -> str:
    """The tensors that are alive where the arena is fullest."""
    fullest = max(artifact.plan.live, key=lambda slot: (slot.bound_bytes, slot.live_bytes))
    tensors = artifact.graph.tensors
    sizes = sorted(((tensors[n].size_bytes, n) for n in fullest.buffers), reverse=True)
    held = [f"tensor {name!r} ({size} bytes)" for size, name in sizes[:4]]
    if fullest.scratch_bytes:
        held.append(f"scratch ({fullest.scratch_bytes} bytes)")
    place = f" at layer {fullest.step}" if fullest.step else ""
    return ", ".join(held) + place


def _flash_holders(artifact: Artifact) -> str:
    """The layers with the most constants."""
    symbols = [s for s in artifact.emitted.layer_symbols if s is not None]
    sizes = sorted(((artifact.weights_of(s), s) for s in symbols), reverse=True)
    held = [f"weights of {symbol} ({size} bytes)" for size, symbol in sizes[:4]]
    return ", ".join([*held, f"code ({artifact.flash_bytes.code} bytes)"])
