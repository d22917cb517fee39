"""What the kernels are to reach: the project's own aims, stated before they were written."""

from __future__ import annotations

from dataclasses import dataclass

_KB = 1024

Figures = dict[str, float]
"""By network, in millions of instructions or cycles."""

INSTRUCTIONS: dict[tuple[str, str], Figures] = {
    ("cortex-m4", "speed"): {"ic01": 5.6, "kws01": 2.2, "vww01": 3.7, "ad01": 0.245},
    ("cortex-m4", "balanced"): {"ic01": 8.9, "kws01": 2.3, "vww01": 3.8, "ad01": 0.245},
    ("cortex-m0plus", "speed"): {"ic01": 42.0, "kws01": 12.5, "vww01": 14.0, "ad01": 0.82},
    ("cortex-m55", "speed"): {"ic01": 3.5, "kws01": 1.35, "vww01": 3.6, "ad01": 0.080},
}
for _core in ("cortex-m7", "cortex-m33"):
    INSTRUCTIONS[_core, "speed"] = {
        network: round(1.03 * millions, 4)
        for network, millions in INSTRUCTIONS["cortex-m4", "speed"].items()
    }
"""Core and goal; the M7 and the M33 may take 3 % more than the M4."""
INSTRUCTIONS["rv32imc", "speed"] = {
    network: round(millions / 3, 3)
    for network, millions in {"ic01": 122.0, "kws01": 40.2, "vww01": 105.3, "ad01": 2.50}.items()
}
"""A third of TFLite Micro's reference kernels there: `bench.tflm_riscv`."""
CYCLES: dict[tuple[str, str], Figures] = {
    ("cortex-m4", "speed"): {"ic01": 8.9, "kws01": 3.4, "vww01": 5.7, "ad01": 0.36},
    ("stm32l4r5zi", "speed"): {"ic01": 19.8, "kws01": 5.18, "vww01": 10.7, "ad01": 0.486},
}
"""At zero wait on the core; on the board the records of others, on silicon."""
BALANCED_WEIGHTS = {"ic01": 1.5, "kws01": 1.5, "vww01": 0.3, "ad01": 1.05}
"""Multiples of the constants as they were given."""
FLASH_WEIGHTS = 1.05
"""Multiples of the live constants."""
CODE_LIMITS = {"balanced": 24 * _KB, "flash": 12 * _KB}
BALANCED_ARENA = 4 * _KB
"""Above the live set."""
RAM_ARENA = {"vww01": 34 * _KB, "ic01": 26 * _KB, "kws01": 10 * _KB}


@dataclass(frozen=True)
class Aim:
    """A figure and what it is to be at most.

    Attributes:
        of: Network, core and goal.
        what: The figure.
        found: Its value.
        most: The aim.
    """

    of: tuple[str, str, str]
    what: str
    found: int
    most: int

    @property
    def reached(self) -> bool:
        """Whether it is."""
        return self.found <= self.most


def aims_of(
    *,
    network: str,
    core: str,
    goal: str,
    instructions: int,
    cycles: int | None,
    cycles_modelled: int | None,
    constants: int,
    constants_given: int,
    weights: int,
    code: int,
    arena: int,
    live_set: int,
) -> list[Aim]:
    """The aims that there are for one network on one core for one goal."""
    pairs: list[tuple[str, int | None, float | None]] = [
        ("instructions", instructions, _millions(INSTRUCTIONS, network, core, goal)),
        (
            "cycles",
            cycles if cycles_modelled is None else cycles_modelled,
            _millions(CYCLES, network, core, goal),
        ),
    ]
    if core == "cortex-m4":
        pairs.append(("code", code, CODE_LIMITS.get(goal)))
        if goal == "balanced":
            pairs.append(("weights", weights, constants_given * BALANCED_WEIGHTS[network]))
            pairs.append(("arena", arena, live_set + BALANCED_ARENA))
        if goal == "flash":
            pairs.append(("weights", weights, constants * FLASH_WEIGHTS))
        if goal == "ram":
            pairs.append(("arena", arena, RAM_ARENA.get(network)))
    return [
        Aim((network, core, goal), what, found, int(most))
        for what, found, most in pairs
        if found is not None and most is not None
    ]


def _millions(
    figures: dict[tuple[str, str], Figures], network: str, core: str, goal: str
) -> float | None:
    found = figures.get((core, goal), {}).get(network)
    return None if found is None else found * 1e6
