"""The check refuses every kind of wrong plan, and says what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_problems import Net, ic01

from midge.errors import InternalError
from midge.memory_plan import LiveSlot, SharedBytes, check_plan, plan_memory


def residual():
    net = Net(x=16)
    net.step("a", 16, "x", scratch=8)
    net.step("b", 16, "a")
    net.step("sum", 16, "a", "b", distance=0)
    net.reshape("flat", "sum")
    return net.problem("flat")


def moved(**offsets):
    plan = plan_memory(residual(), reorder=False)
    return {"offsets": {**plan.offsets, **offsets}}


def test_the_untouched_plan_passes():
    plan = plan_memory(residual(), reorder=False)
    assert plan.offsets == {"x": 16, "a": 0, "b": 16, "sum": 0, "flat": 0}
    assert plan.scratch_offsets == {"op_a": 32}
    assert plan.shared == (SharedBytes("op_sum", "a", "sum", 16),)
    check_plan(residual(), plan)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": (0, 1, 2)}, r"order \[0, 1, 2\] is not each of 4 steps once"),
        ({"order": (0, 2, 1, 3)}, "step 'op_sum' reads 'b' before it is written"),
        (moved(x=40), "buffer 'x' takes bytes 40 to 56 of an arena of 40"),
        (moved(x=-4), "buffer 'x' takes bytes -4 to 12"),
        (moved(x=18), "buffer 'x' at 18 in an arena aligned to 4 is not aligned to 4"),
        (moved(flat=4), "alias 'flat' at 4 is not where 'sum' is, at 0"),
        (moved(a=4), "in step 'op_a' 'x' .bytes 16 to 32. and 'a' .bytes 4 to 20. are both needed"),
        (moved(b=8), "in step 'op_b' 'a' .bytes 0 to 16. and 'b' .bytes 8 to 24."),
        (moved(sum=4, flat=4), "in step 'op_sum' 'a' .bytes 0 to 16. and 'sum' .bytes 4 to 20."),
        ({"offsets": {"x": 16}}, "buffer 'a' has no place"),
        ({"scratch_offsets": {}}, "scratch of 'op_a' has no place"),
        ({"scratch_offsets": {"op_a": 36}}, "scratch of 'op_a' takes bytes 36 to 44"),
        ({"scratch_offsets": {"op_a": 24}}, "in step 'op_a' 'x' shares bytes with the scratch"),
        ({"scratch_offsets": {"op_a": 8}}, "in step 'op_a' '[xa]' shares bytes with the scratch"),
        ({"alignment": 2}, "aligned to 2 is not aligned to 4"),
        ({"lower_bound_bytes": 44}, "the arena of 40 bytes is below its lower bound of 44"),
        ({"live_set_bytes": 47}, "a live set of 47 bytes, which is 48"),
        ({"shared": ()}, "'sum' over 'a' in step 'op_sum' shares 16 bytes, not 0"),
        (
            {"shared": (SharedBytes("op_sum", "a", "sum", 12),)},
            "'sum' over 'a' in step 'op_sum' shares 16 bytes, not 12",
        ),
        (
            {
                "shared": (
                    SharedBytes("op_sum", "a", "sum", 16),
                    SharedBytes("op_b", "x", "b", 16),
                )
            },
            r"shared bytes of \[\('op_b', 'x', 'b'\)\], which do not exist",
        ),
        ({"aliases": {}}, r"aliases \{\}, which are \{'flat': 'sum'\}"),
        ({"live": ()}, "a live table of 0 slots for 4 steps"),
    ],
)
def test_a_wrong_plan_is_refused(changes, message):
    problem = residual()
    plan = plan_memory(problem, reorder=False)
    with pytest.raises(InternalError, match=f"^memory plan: .*{message}.*report this model"):
        check_plan(problem, replace(plan, **changes))


def test_the_live_table_is_checked():
    problem = residual()
    plan = plan_memory(problem, reorder=False)
    wrong = list(plan.live)
    wrong[2] = LiveSlot("op_b", ("a", "b"), 31, 0, 32)
    with pytest.raises(InternalError, match="slot 2 with 31 live bytes, which are 32"):
        check_plan(problem, replace(plan, live=tuple(wrong)))


def test_every_single_move_of_a_tight_plan_is_refused():
    # ic01's three large tensors fill the arena to the last byte: any of them moved hits another.
    problem = ic01()
    plan = plan_memory(problem, overlap=False)
    for name in ("conv0", "s1_conv1", "s1_conv2"):
        for shift in (-16384, -4, 4, 16384):
            offsets = {**plan.offsets, name: plan.offsets[name] + shift}
            with pytest.raises(InternalError, match="memory plan"):
                check_plan(problem, replace(plan, offsets=offsets))
