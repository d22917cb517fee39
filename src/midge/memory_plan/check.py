"""An independent check of a plan, written from the definitions alone.

It knows buffers by name and time by step; it does not see storages, blocks, separations or bounds.
So an error in those cannot hide itself here.
"""

from __future__ import annotations

from itertools import combinations

from midge.errors import InternalError
from midge.memory_plan.plan import Plan
from midge.memory_plan.problem import Problem, Step


def check_plan(problem: Problem, plan: Plan) -> None:
    """Check that running `problem` as `plan` says hurts no byte that is still needed.

    Checked are: the order (each step once, nothing read before it is written), every offset
    (present, aligned, inside the arena), every pair of buffers and scratch that is needed in the
    same slot (disjoint, or the same bytes by alias, or a permitted overlap at a sufficient
    distance), and the figures that the plan reports about itself.

    Raises:
        InternalError: Naming the step and the buffers of the first violation.
    """
    _check_order(problem, plan)
    _check_places(problem, plan)
    needs = _Needs(problem, plan.order)
    for slot in range(len(plan.order) + 2):
        _check_slot(problem, plan, needs, slot)
    _check_figures(problem, plan)


def _violation(what: str) -> InternalError:
    return InternalError(f"memory plan: {what}. The planner is at fault; please report this model")


def _check_order(problem: Problem, plan: Plan) -> None:
    if sorted(plan.order) != list(range(len(problem.steps))):
        raise _violation(f"order {list(plan.order)} is not each of {len(problem.steps)} steps once")
    written = set(problem.inputs)
    done: set[str] = set()
    for index in plan.order:
        step = problem.steps[index]
        for name in step.after:
            if name not in done:
                raise _violation(f"step '{step.name}' runs before '{name}'")
        done.add(step.name)
        for name in step.reads:
            if name not in written:
                raise _violation(f"step '{step.name}' reads '{name}' before it is written")
        written.update(step.writes)


def _check_places(problem: Problem, plan: Plan) -> None:
    places = [
        (f"buffer '{b.name}'", plan.offsets.get(b.name), b.size_bytes, b.alignment)
        for b in problem.buffers
    ]
    places += [
        (
            f"scratch of '{s.name}'",
            plan.scratch_offsets.get(s.name),
            s.scratch_bytes,
            s.scratch_alignment,
        )
        for s in problem.steps
        if s.scratch_bytes
    ]
    for what, offset, size, alignment in places:
        if offset is None:
            raise _violation(f"{what} has no place")
        if offset < 0 or offset + size > plan.arena_bytes:
            raise _violation(
                f"{what} takes bytes {offset} to {offset + size} of an arena of {plan.arena_bytes}"
            )
        if offset % alignment or plan.alignment % alignment:
            raise _violation(
                f"{what} at {offset} in an arena aligned to {plan.alignment} is not aligned to "
                f"{alignment}"
            )
    for alias in problem.aliases:
        if plan.offsets[alias.input] != plan.offsets[alias.output]:
            raise _violation(
                f"alias '{alias.output}' at {plan.offsets[alias.output]} is not where "
                f"'{alias.input}' is, at {plan.offsets[alias.input]}"
            )


class _Needs:
    """When the content of each buffer is needed, in slots, from the steps alone."""

    def __init__(self, problem: Problem, order: tuple[int, ...]) -> None:
        self.written = dict.fromkeys(problem.inputs, 0)
        self.last_needed: dict[str, int] = dict.fromkeys(problem.inputs, 0)
        for slot, index in enumerate(order, start=1):
            step = problem.steps[index]
            for name in step.writes:
                self.written[name] = self.last_needed[name] = slot
            for name in step.reads:
                self.last_needed[name] = slot
        for name in (*problem.outputs, *problem.keep):
            self.last_needed[name] = len(order) + 1
        # Buffers that are one another's bytes, however many aliases apart.
        self.same = {buffer.name: {buffer.name} for buffer in problem.buffers}
        for alias in problem.aliases:
            merged = self.same[alias.input] | self.same[alias.output]
            for name in merged:
                self.same[name] = merged

    def in_slot(self, slot: int) -> list[str]:
        return [n for n, first in self.written.items() if first <= slot <= self.last_needed[n]]

    def dies_in(self, name: str, slot: int) -> bool:
        """Return whether no name for these bytes is needed after `slot`."""
        return all(self.last_needed[other] <= slot for other in self.same[name])


def _check_slot(problem: Problem, plan: Plan, needs: _Needs, slot: int) -> None:
    step = problem.steps[plan.order[slot - 1]] if 1 <= slot <= len(plan.order) else None
    when = f"in step '{step.name}'" if step else "outside of all steps"
    size = {buffer.name: buffer.size_bytes for buffer in problem.buffers}
    alive = needs.in_slot(slot)
    for a, b in combinations(alive, 2):
        if b in needs.same[a]:
            continue
        at_a, at_b = plan.offsets[a], plan.offsets[b]
        if at_a + size[a] <= at_b or at_b + size[b] <= at_a:
            continue
        if step and (
            _may_overlap(plan, needs, step, a, b) or _may_overlap(plan, needs, step, b, a)
        ):
            continue
        raise _violation(
            f"{when} '{a}' (bytes {at_a} to {at_a + size[a]}) and '{b}' (bytes {at_b} to "
            f"{at_b + size[b]}) are both needed and share bytes"
        )
    if step and step.scratch_bytes:
        start = plan.scratch_offsets[step.name]
        for name in alive:
            if start < plan.offsets[name] + size[name] and (
                plan.offsets[name] < start + step.scratch_bytes
            ):
                raise _violation(f"{when} '{name}' shares bytes with the scratch")


def _may_overlap(plan: Plan, needs: _Needs, step: Step, source: str, target: str) -> bool:
    """Return whether `step` may write `target` over `source` at their present distance."""
    slot = needs.written[target]
    if target not in step.writes or not needs.dies_in(source, slot):
        return False
    if not needs.same[source].isdisjoint(step.writes):
        return False
    operands = [name for name in step.reads if name in needs.same[source]]
    promises = [
        o.distance for o in step.overlaps if o.output == target and o.input in needs.same[source]
    ]
    distance = plan.offsets[source] - plan.offsets[target]
    return len(promises) == len(operands) > 0 and distance >= max(promises)


def _check_figures(problem: Problem, plan: Plan) -> None:
    """Check what the plan reports about itself, as far as the definitions say it."""
    if plan.arena_bytes < plan.lower_bound_bytes:
        raise _violation(
            f"the arena of {plan.arena_bytes} bytes is below its lower bound of "
            f"{plan.lower_bound_bytes}"
        )
    in_file_order = _live_bytes(problem, tuple(range(len(problem.steps))))
    if max(in_file_order) != plan.live_set_bytes:
        raise _violation(
            f"a live set of {plan.live_set_bytes} bytes, which is {max(in_file_order)}"
        )
    live = _live_bytes(problem, plan.order)
    if len(plan.live) != len(live):
        raise _violation(f"a live table of {len(plan.live)} slots for {len(plan.order)} steps")
    for slot, (entry, expected) in enumerate(zip(plan.live, live, strict=True)):
        if entry.live_bytes != expected:
            raise _violation(
                f"slot {slot} with {entry.live_bytes} live bytes, which are {expected}"
            )
    _check_sharing(problem, plan)


def _live_bytes(problem: Problem, order: tuple[int, ...]) -> list[int]:
    """Return the bytes needed in every slot, the same bytes under several names counted once."""
    size = {buffer.name: buffer.size_bytes for buffer in problem.buffers}
    needs = _Needs(problem, order)
    return [
        sum(size[name] for name in {min(needs.same[n]) for n in needs.in_slot(slot)})
        for slot in range(len(order) + 2)
    ]


def _check_sharing(problem: Problem, plan: Plan) -> None:
    """Check that the plan names every alias, and every output over an input of its step."""
    source = {alias.output: alias.input for alias in problem.aliases}
    owner = dict(source)
    while any(name in source for name in owner.values()):
        owner = {name: source.get(target, target) for name, target in owner.items()}
    if dict(plan.aliases) != owner:
        raise _violation(f"aliases {dict(plan.aliases)}, which are {owner}")
    size = {buffer.name: buffer.size_bytes for buffer in problem.buffers}
    told = {(entry.step, entry.input, entry.output): entry.shared_bytes for entry in plan.shared}
    for step in problem.steps:
        operands = dict.fromkeys(owner.get(name, name) for name in step.reads)
        for output in step.writes:
            for operand in operands if output not in owner else ():
                start = max(plan.offsets[operand], plan.offsets[output])
                end_operand = plan.offsets[operand] + size[operand]
                common = min(end_operand, plan.offsets[output] + size[output]) - start
                entry = told.pop((step.name, operand, output), 0)
                if max(0, common) != entry:
                    raise _violation(
                        f"'{output}' over '{operand}' in step '{step.name}' shares "
                        f"{max(0, common)} bytes, not {entry}"
                    )
    if told:
        raise _violation(f"shared bytes of {list(told)}, which do not exist")
