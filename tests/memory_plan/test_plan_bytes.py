"""Plans run on a simulated arena, byte by byte, with kernels as hostile as their promises allow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_problems import Net, ad01, ic01, kws01, problems, wired

from midge.errors import InternalError
from midge.memory_plan import (
    Alias,
    Buffer,
    Overlap,
    Plan,
    Problem,
    SharedBytes,
    Step,
    check_plan,
    plan_memory,
)

POISON = ("poison", -1)


class CorruptedError(Exception):
    """Somebody read a byte that is not the one that was written for them."""


class Arena:
    """Runs a plan. Every byte holds (whose, which); what the plan calls dead is poisoned."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        self.problem, self.plan = problem, plan
        self.size = {b.name: b.size_bytes for b in problem.buffers}
        self.content = {b.name: b.name for b in problem.buffers}
        for step in (problem.steps[i] for i in plan.order):
            for alias in problem.aliases:
                if alias.output in step.writes:
                    self.content[alias.output] = self.content[alias.input]
        self.bytes = [POISON] * plan.arena_bytes

    def run(self) -> None:
        for name in self.problem.inputs:
            self.write(name)
        for name in self.problem.inputs:
            self.read(name)
        self.poison_dead(slot=0)
        for slot, index in enumerate(self.plan.order, start=1):
            self.execute(self.problem.steps[index])
            self.poison_dead(slot)
        for name in (*self.problem.outputs, *self.problem.keep):
            self.read(name)

    def execute(self, step: Step) -> None:
        aliased = {alias.output for alias in self.problem.aliases}
        outputs = [name for name in step.writes if name not in aliased]
        if step.scratch_bytes:
            start = self.plan.scratch_offsets[step.name]
            self.bytes[start : start + step.scratch_bytes] = [
                ("scratch", k) for k in range(step.scratch_bytes)
            ]
        for name in step.reads:
            self.read(name)
        # Which output a kernel begins with is its own affair: try each first.
        before = list(self.bytes)
        for first in outputs:
            self.bytes = list(before)
            self.write_while_reading(step, first)
        self.bytes = list(before)
        for name in outputs:
            self.write(name)
        for name in step.writes:
            self.read(name)
        if step.scratch_bytes:
            for k in range(step.scratch_bytes):
                if self.bytes[start + k] != ("scratch", k):
                    raise CorruptedError(f"{step.name}: scratch byte {k}")

    def write_while_reading(self, step: Step, output: str) -> None:
        """Write ascending; before each byte, read whatever the promises leave to be read."""
        promises = [o for o in step.overlaps if o.output == output]
        operands = []
        for name in step.reads:
            promise = next((o for o in promises if o.input == name), None)
            if promise:
                promises.remove(promise)
            operands.append((name, promise.distance if promise else None))
        for w in range(self.size[output]):
            for name, distance in operands:
                self.read(name, 0 if distance is None else w - distance)
            self.bytes[self.plan.offsets[output] + w] = (self.content[output], w)

    def write(self, name: str) -> None:
        start = self.plan.offsets[name]
        for k in range(self.size[name]):
            self.bytes[start + k] = (self.content[name], k)

    def read(self, name: str, first: int = 0) -> None:
        start = self.plan.offsets[name]
        for k in range(max(0, first), self.size[name]):
            if self.bytes[start + k] != (self.content[name], k):
                raise CorruptedError(f"byte {k} of {name} holds {self.bytes[start + k]}")

    def poison_dead(self, slot: int) -> None:
        alive = [False] * len(self.bytes)
        for name, life in self.plan.lifetimes.items():
            if life.first <= slot < life.last:
                start = self.plan.offsets[name]
                alive[start : start + self.size[name]] = [True] * self.size[name]
        self.bytes = [b if a else POISON for a, b in zip(alive, self.bytes, strict=True)]


@settings(max_examples=150, deadline=None)
@given(problem=problems(), reorder=st.booleans(), overlap=st.booleans())
def test_no_kernel_reads_a_byte_that_somebody_overwrote(problem, reorder, overlap):
    Arena(problem, plan_memory(problem, reorder=reorder, overlap=overlap)).run()


@pytest.mark.parametrize("seed", range(6))
def test_randomly_wired_networks_run_on_the_arena(seed):
    problem = wired(seed, 25, sizes=(1, 60), reach=5, overlap=0.8)
    plan = plan_memory(problem)
    assert plan.shared
    Arena(problem, plan).run()


@pytest.mark.parametrize("network", [ad01, kws01, ic01])
def test_known_networks_scaled_down_run_on_the_arena(network):
    problem = network()
    small = replace(
        problem,
        buffers=tuple(replace(b, size_bytes=-(-b.size_bytes // 256)) for b in problem.buffers),
    )
    Arena(small, plan_memory(small)).run()


def relocated(problem: Problem, plan: Plan, offsets: dict[str, int]) -> Plan:
    """The plan with other offsets, and with what it then says of shared bytes made true."""
    size = {b.name: b.size_bytes for b in problem.buffers}
    shared = []
    for step in problem.steps:
        operands = dict.fromkeys(plan.aliases.get(name, name) for name in step.reads)
        for output in step.writes:
            for operand in operands if output not in plan.aliases else ():
                start = max(offsets[operand], offsets[output])
                end = min(offsets[operand] + size[operand], offsets[output] + size[output])
                if end > start:
                    shared.append(SharedBytes(step.name, operand, output, end - start))
    return replace(plan, offsets=offsets, shared=tuple(shared))


@settings(max_examples=150, deadline=None)
@given(problem=problems(max_buffers=5, max_size=8), data=st.data())
def test_what_the_check_lets_pass_runs(problem, data):
    # Moved buffers make wrong plans and, now and then, another right one.
    plan = plan_memory(problem)
    offsets = dict(plan.offsets)
    for buffer in problem.buffers:
        if data.draw(st.booleans()):
            top = (plan.arena_bytes - buffer.size_bytes) // buffer.alignment
            offsets[buffer.name] = buffer.alignment * data.draw(st.integers(0, top))
    moved = relocated(problem, plan, offsets)
    try:
        check_plan(problem, moved)
    except InternalError:
        return
    Arena(problem, moved).run()


def pair(distance: int, input_bytes: int = 12, output_bytes: int = 16) -> Problem:
    net = Net(x=input_bytes)
    net.step("y", output_bytes, "x", distance=distance, alignment=1)
    problem = net.problem("y")
    return replace(problem, buffers=tuple(replace(b, alignment=1) for b in problem.buffers))


@pytest.mark.parametrize("distance", [-5, -1, 0, 1, 3, 7, 15])
def test_an_overlap_one_byte_too_close_corrupts_and_is_refused(distance):
    problem = pair(distance)
    right = plan_memory(problem)
    low = max(0, -distance)
    for offset_x in range(low + distance - 1, low + distance + 3):
        if offset_x < 0:
            continue
        offsets = {"x": offset_x, "y": low}
        plan = relocated(problem, replace(right, arena_bytes=64), offsets)
        if offset_x - low >= distance:
            Arena(problem, plan).run()
            check_plan(problem, plan)
        else:
            with pytest.raises(CorruptedError):
                Arena(problem, plan).run()
            with pytest.raises(InternalError, match=r"'x'.*'y'.*both needed and share bytes"):
                check_plan(problem, plan)


def test_the_arena_notices_a_buffer_freed_too_early():
    net = Net(x=8)
    net.step("a", 8, "x")
    net.step("b", 8, "a")
    net.step("c", 8, "a", "b")
    problem = net.problem("c")
    plan = plan_memory(problem)
    Arena(problem, plan).run()
    lifetimes = {**plan.lifetimes, "a": replace(plan.lifetimes["a"], last=2)}
    with pytest.raises(CorruptedError, match="of a holds"):
        Arena(problem, replace(plan, lifetimes=lifetimes)).run()


def test_an_input_handed_on_under_another_name_is_not_written_over():
    problem = Problem(
        buffers=(Buffer("x", 4), Buffer("y", 4), Buffer("view", 4)),
        steps=(Step("split", ("x",), ("y", "view"), overlaps=(Overlap("x", "y", 0),)),),
        inputs=("x",),
        outputs=("y",),
        aliases=(Alias("x", "view"),),
    )
    plan = plan_memory(problem)
    assert plan.offsets["y"] != plan.offsets["view"]
    Arena(problem, plan).run()


def test_an_addition_to_itself_overlaps_only_with_a_promise_for_each_operand():
    net = Net(x=8)
    net.step("y", 8, "x", "x", distance=(0, None))
    assert plan_memory(net.problem("y")).arena_bytes == 16
    net = Net(x=8)
    net.step("y", 8, "x", "x", distance=(0, 4))
    problem = net.problem("y")
    plan = plan_memory(problem)
    assert plan.arena_bytes == 12
    assert plan.offsets["x"] - plan.offsets["y"] == 4
    Arena(problem, plan).run()
    assert [o.distance for o in problem.steps[0].overlaps] == [0, 4]
    assert problem.steps[0].overlaps[0] == Overlap("x", "y", 0)
