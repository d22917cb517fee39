"""The memory planner: an arena offset for every activation, and the order of the steps."""

from midge.memory_plan.check import check_plan
from midge.memory_plan.picture import draw_plan
from midge.memory_plan.plan import Lifetime, LiveSlot, Plan, SharedBytes
from midge.memory_plan.planner import plan_memory, slot_bounds
from midge.memory_plan.problem import Alias, Buffer, Overlap, Problem, Step

__all__ = [
    "Alias",
    "Buffer",
    "Lifetime",
    "LiveSlot",
    "Overlap",
    "Plan",
    "Problem",
    "SharedBytes",
    "Step",
    "check_plan",
    "draw_plan",
    "plan_memory",
    "slot_bounds",
]
