"""Cycles at zero wait states: one model a core family, on the vendors' instruction timings.

``docs/cycle-models.md`` names every source and how far each model was found to be off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from midge.virtual_mcu.boards import Target
from midge.virtual_mcu.cores import Core
from midge.virtual_mcu.cycles.cortex_m0plus import CortexM0Plus
from midge.virtual_mcu.cycles.cortex_m3 import CortexM3
from midge.virtual_mcu.cycles.cortex_m4 import CortexM4
from midge.virtual_mcu.cycles.cortex_m7 import CortexM7
from midge.virtual_mcu.cycles.cortex_m33 import CortexM33
from midge.virtual_mcu.cycles.espressif import Esp32C3, Esp32C6
from midge.virtual_mcu.cycles.hazard3 import Hazard3
from midge.virtual_mcu.cycles.instruction import Branch, Instruction
from midge.virtual_mcu.cycles.model import BlockEdge, CycleModel, InOrderModel, count_cycles

__all__ = [
    "BlockEdge",
    "Branch",
    "CycleModel",
    "InOrderModel",
    "Instruction",
    "count_cycles",
    "model_for",
]

_MODELS: Mapping[str, Callable[[], CycleModel]] = {
    model.name: model
    for model in (CortexM3, CortexM4, CortexM7, CortexM33, Esp32C3, Esp32C6, Hazard3)
}


def model_for(core: Core | Target) -> CycleModel | None:
    """The cycle model of a core, or of a target and its board.

    Args:
        core: a core from :data:`midge.virtual_mcu.cores.CORES`, or a target, whose board knows
            which core it carries and, on a Cortex-M0+, how fast the multiplier is.

    Returns:
        the model, or None when the core has none, so that its cycles are reported as null.
    """
    if core.cycle_model is None:
        return None
    if core.cycle_model == CortexM0Plus.name:
        # A bare core gets the fast multiplier, the option that most chips have.
        return CortexM0Plus(core.multiplier_cycles if isinstance(core, Target) else 1)
    return _MODELS[core.cycle_model]()
