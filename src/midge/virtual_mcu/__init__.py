"""Virtual microcontrollers: cores and boards, emulators, cycle and energy models, stack bounds."""

from midge.virtual_mcu.block_trace import CALLER, Edge, FlashStatistics, Trace
from midge.virtual_mcu.boards import (
    BOARDS,
    Board,
    CacheGeometry,
    FlashMemory,
    Target,
    target,
    targets,
)
from midge.virtual_mcu.cores import CORES, Core
from midge.virtual_mcu.emulators import EMULATORS, open_machine
from midge.virtual_mcu.energy import energy_uj, latency_ms
from midge.virtual_mcu.machine import (
    Inference,
    Machine,
    MemoryView,
    Sample,
)
from midge.virtual_mcu.memory_model import Cycles, layer_cycles, total_cycles
from midge.virtual_mcu.qemu_machine import ClockedInference, QemuMachine
from midge.virtual_mcu.stack_bound import StackBound, stack_bound
from midge.virtual_mcu.unicorn_machine import UnicornMachine

__all__ = [
    "BOARDS",
    "CALLER",
    "CORES",
    "EMULATORS",
    "Board",
    "CacheGeometry",
    "ClockedInference",
    "Core",
    "Cycles",
    "Edge",
    "FlashMemory",
    "FlashStatistics",
    "Inference",
    "Machine",
    "MemoryView",
    "QemuMachine",
    "Sample",
    "StackBound",
    "Target",
    "Trace",
    "UnicornMachine",
    "energy_uj",
    "latency_ms",
    "layer_cycles",
    "open_machine",
    "stack_bound",
    "target",
    "targets",
    "total_cycles",
]
