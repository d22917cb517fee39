"""What the planner is asked: buffers, the steps that read and write them, and who may share bytes.

The planner works on names and sizes only, so it can be tested, and replaced, without a graph.
Whoever turns a graph into a `Problem` leaves constants out: only what lives in the arena is a
buffer.
"""

from __future__ import annotations

from dataclasses import dataclass

from midge.errors import InternalError


@dataclass(frozen=True)
class Buffer:
    """One tensor that needs a place in the arena.

    Attributes:
        name: Unique in its problem.
        size_bytes: At least 1.
        alignment: Its offset is a multiple of this power of two, in bytes.
    """

    name: str
    size_bytes: int
    alignment: int = 4


@dataclass(frozen=True)
class Overlap:
    """A kernel's promise that its output may be written over one of its inputs.

    The kernel writes the output in ascending order, and no byte that it still has to read is hurt
    as long as ``offset(input) - offset(output) >= distance``. In other words: before it writes
    output byte ``w`` it has read every input byte below ``w - distance`` for the last time.
    Element-wise kernels have distance 0. A kernel that writes more than it reads needs the input
    further up (distance > 0); one that reads ahead of its writing allows it further down (distance
    < 0). This is the safe overlap of Blacker, Bridges and Hadfield, *Diagonal Memory Optimisation
    for Machine Learning on Micro-controllers* (arXiv:2010.01668), with the output below its input.

    One entry speaks for one operand: a step that reads a buffer twice needs two entries for it (the
    larger distance then holds), and with fewer the overlap is not used.
    """

    input: str
    output: str
    distance: int


@dataclass(frozen=True)
class Alias:
    """`output` is the same bytes as `input` (a reshape): the step that writes it moves nothing."""

    input: str
    output: str


@dataclass(frozen=True)
class Step:
    """One operator: everything in `reads` is alive while everything in `writes` comes to be.

    Attributes:
        name: Unique in its problem; keys `Plan.scratch_offsets`.
        reads: Buffers read, one entry per operand (a buffer read twice stands twice).
        writes: Buffers written, each by this step alone.
        scratch_bytes: Working memory that lives in this step only; 0 for none.
        overlaps: Inputs that an output may be written over, if they die here.
        scratch_alignment: The scratch offset is a multiple of this power of two, in bytes.
        after: Names of earlier steps that must run before this one, beyond those whose buffers it
            reads: both touch memory that is not the planner's.
    """

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    scratch_bytes: int = 0
    overlaps: tuple[Overlap, ...] = ()
    scratch_alignment: int = 4
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """A network as the planner sees it.

    Attributes:
        buffers: Everything that needs a place; each is an input or is written by one step.
        steps: In a valid topological order, the *file order*.
        inputs: Written by the caller before the first step, so all alive at once from then on.
        outputs: Alive from their writing to the end.
        keep: Further buffers that must keep their bytes to the end (for ``--keep-input``).
        aliases: Outputs that are their input's bytes.
    """

    buffers: tuple[Buffer, ...]
    steps: tuple[Step, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    keep: tuple[str, ...] = ()
    aliases: tuple[Alias, ...] = ()


def validate(problem: Problem) -> None:
    """Refuse a problem that means nothing, before any search sees it.

    Raises:
        InternalError: Naming the first buffer or step at fault. A problem is made by Midge, never
            by a user, so whatever is wrong with it is a defect of its maker.
    """
    sizes = _buffer_sizes(problem)
    for role, names in (
        ("input", problem.inputs),
        ("output", problem.outputs),
        ("kept buffer", problem.keep),
    ):
        for name in names:
            if name not in sizes:
                raise _fault(f"{role} '{name}'", "no such buffer", "a name from buffers")
        if len(set(names)) != len(names):
            raise _fault(f"{role}s", f"a name twice in {list(names)}", "each name once")
    writer = _check_steps(problem, sizes)
    unwritten = [b.name for b in problem.buffers if b.name not in writer]
    if unwritten:
        raise _fault(
            f"buffer '{unwritten[0]}'", "nothing writes it", "an input or one writing step"
        )
    _check_aliases(problem, sizes, writer)


def _fault(where: str, found: str, expected: str) -> InternalError:
    return InternalError(
        f"memory plan: {where}: found {found}; expected {expected}. "
        "The code that builds the planning problem is at fault; please report this model"
    )


def _is_power_of_two(value: int) -> bool:
    return value >= 1 and value & (value - 1) == 0


def _buffer_sizes(problem: Problem) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for buffer in problem.buffers:
        where = f"buffer '{buffer.name}'"
        if buffer.name in sizes:
            raise _fault(where, "the name twice", "unique names")
        if buffer.size_bytes < 1:
            raise _fault(where, f"size {buffer.size_bytes}", "at least 1 byte")
        if not _is_power_of_two(buffer.alignment):
            raise _fault(where, f"alignment {buffer.alignment}", "a power of two")
        sizes[buffer.name] = buffer.size_bytes
    return sizes


def _check_steps(problem: Problem, sizes: dict[str, int]) -> dict[str, int]:
    """Check each step; return the writing step's index by buffer, -1 for inputs."""
    writer = dict.fromkeys(problem.inputs, -1)
    seen: set[str] = set()
    for index, step in enumerate(problem.steps):
        where = f"step '{step.name}'"
        if step.name in seen:
            raise _fault(where, "the name twice", "unique names")
        seen.add(step.name)
        if step.scratch_bytes < 0:
            raise _fault(where, f"scratch of {step.scratch_bytes} bytes", "at least 0")
        if not _is_power_of_two(step.scratch_alignment):
            raise _fault(where, f"scratch alignment {step.scratch_alignment}", "a power of two")
        for name in step.after:
            if name not in seen or name == step.name:
                raise _fault(where, f"a place after '{name}'", "the name of an earlier step")
        for name in step.reads:
            if name not in writer:
                raise _fault(where, f"a read of '{name}'", "an input or an earlier step's output")
        for name in step.writes:
            if name not in sizes:
                raise _fault(where, f"a write to '{name}'", "a name from buffers")
            if name in writer:
                raise _fault(where, f"a second write to '{name}'", "one writer for each buffer")
            writer[name] = index
        _check_overlaps(step)
    return writer


def _check_overlaps(step: Step) -> None:
    where = f"step '{step.name}'"
    for overlap in step.overlaps:
        if overlap.input not in step.reads or overlap.output not in step.writes:
            raise _fault(
                where,
                f"an overlap of '{overlap.output}' with '{overlap.input}'",
                "one of its writes over one of its reads",
            )
        entries = [(o.input, o.output) for o in step.overlaps]
        if entries.count((overlap.input, overlap.output)) > step.reads.count(overlap.input):
            raise _fault(
                where,
                f"more overlaps of '{overlap.output}' with '{overlap.input}' than reads of it",
                "one for each operand",
            )


def _check_aliases(problem: Problem, sizes: dict[str, int], writer: dict[str, int]) -> None:
    aliased: set[str] = set()
    for alias in problem.aliases:
        where = f"alias '{alias.output}' of '{alias.input}'"
        for name in (alias.input, alias.output):
            if name not in sizes:
                raise _fault(where, f"'{name}', no such buffer", "names from buffers")
        if alias.output in aliased:
            raise _fault(where, "a second alias of the same output", "one")
        aliased.add(alias.output)
        index = writer[alias.output]
        if index < 0 or alias.input not in problem.steps[index].reads:
            raise _fault(
                where, "an output not made from that input", "a step that reads and writes"
            )
        if sizes[alias.input] != sizes[alias.output]:
            raise _fault(
                where, f"{sizes[alias.output]} bytes over {sizes[alias.input]}", "equal sizes"
            )
