"""The C of a group: a function for a row of each layer, and those that hand the rows on.

From top to bottom in the emitted file: for each stage its constants and the function that makes a
row; then, from the last stage to the first, ``<group>_make_<stage>``, which makes rows for as long
as the stage's queues hold what they need; then ``<group>_begin`` and ``<group>_push``. The same in
Python, without the bytes, is `streaming_schedule._Run`.
"""

from __future__ import annotations

from dataclasses import dataclass

from midge.c_emitter import c_text
from midge.c_emitter.interface import element_type
from midge.c_emitter.kernel import Kernel, Layer, Places
from midge.c_emitter.layer_function import layer_function, layer_title, pointer
from midge.c_emitter.streaming import Group, Stage
from midge.c_emitter.streaming_layers import row_bytes
from midge.c_emitter.streaming_layout import PlacedStream, placed_stream
from midge.c_emitter.streaming_pool import RowPool
from midge.graph import Graph, Tensor
from midge.memory_plan import Plan

SOURCES = ("row_queue.h",)
"""Of `device/kernels`, beside the kernels'."""
_COUNTS = "    int32_t *const counts = (int32_t *)(void *)(arena + {at});"


@dataclass(frozen=True)
class GroupCode:
    """What a group is in C.

    Attributes:
        text: All its functions and constants.
        symbol: The function that runs it, ``(uint8_t *arena)``; of a group that is fed, what its
            other names begin with.
        calls: The layers and kernels whose sources and tiles it needs.
    """

    text: str
    symbol: str
    calls: tuple[tuple[Layer, Kernel], ...]


def group_code(graph: Graph, group: Group, plan: Plan) -> GroupCode:
    """Write a group's functions."""
    placed = placed_stream(graph, group)
    writer = _GroupWriter(graph.name, placed, plan)
    calls = tuple((stage.called, stage.kernel) for stage in placed.stream.stages)
    return GroupCode(writer.text(), writer.symbol, calls)


class _GroupWriter:
    """Names and places of one group."""

    def __init__(self, name: str, placed: PlacedStream, plan: Plan) -> None:
        self.stream = stream = placed.stream
        self.layout = placed.layout
        self.plan = plan
        self.symbol = f"{name}_{stream.group.first:02d}_rows"
        self.base = plan.scratch_offsets[stream.stages[-1].layer.op.name]
        self._counts = _COUNTS.format(at=self.base + self.layout.counts)

    def text(self) -> str:
        """All functions of the group, in an order that C can read."""
        stages = range(len(self.stream.stages))
        output = self.stream.output
        title = (
            f"{len(stages)} layers, row by row: {c_text.shape_text(self.stream.source)} -> "
            f"{c_text.shape_text(output)}"
        )
        return "\n".join(
            [
                f"/* {c_text.comment(title)} */\n",
                *(self._row_function(number) for number in stages),
                *(self._make(number) for number in reversed(stages)),
                self._begin(),
                self._push(),
                *([] if self.stream.group.fed else [self._run()]),
            ]
        )

    # -- a row of one layer ---------------------------------------------------------------------

    def _row_symbol(self, stage: Stage) -> str:
        return f"{self.symbol}_{stage.layer.symbol}"

    def _row_function(self, number: int) -> str:
        stage = self.stream.stages[number]
        symbol = self._row_symbol(stage)
        scratch = self.layout.held[number]
        scratch = self.layout.scratch[number] if scratch is None else scratch
        computed = {self.stream.queues[i].reading.operand for i in stage.queues}
        places = Places(
            inputs=tuple(
                f"x{i}" if i in computed else "NULL" for i in range(len(stage.called.inputs))
            ),
            outputs=("y",),
            scratch="NULL" if scratch is None else f"(arena + {self.base + scratch})",
            constant=lambda suffix: f"{symbol}_{suffix}",
        )
        operands = [f"const {element_type(stage.layer.input(i))} *x{i}" for i in sorted(computed)]
        parameters = ["uint8_t *arena", *operands, f"{element_type(stage.layer.output)} *y"]
        if isinstance(stage.kernel, RowPool):
            parameters.append("int32_t row")
        call = stage.kernel.call(stage.called, places)
        title = layer_title(stage.row.layer, stage.kernel)
        return layer_function(symbol, ", ".join(parameters), stage.kernel, call, title)

    # -- rows for as long as there are some -----------------------------------------------------

    def _make_symbol(self, number: int) -> str:
        return f"{self.symbol}_make_{self.stream.stages[number].layer.index:02d}"

    def _count(self, queue: int) -> str:
        return f"counts[{queue}]"

    def _made(self, stage: int) -> str:
        return f"counts[{len(self.stream.queues) + stage}]"

    def _make(self, number: int) -> str:
        stage, last = self.stream.stages[number], number == len(self.stream.stages) - 1
        made = self._made(number)
        waits = [
            f"{self._count(i)} >= {self.stream.queues[i].reading.reach}"
            for i in stage.queues
            if not self.stream.queues[i].resident
        ]
        body = [*self._call_row(number), *self._forget(stage), f"{made}++;"]
        if not last:
            handed_on = self._hand_on(number)
            if stage.period > 1:
                handed_on = [f"if ({made} % {stage.period} == 0) {{", *_indent(handed_on), "}"]
            body += handed_on
        return "\n".join(
            [
                f"static void {self._make_symbol(number)}(uint8_t *arena) {{",
                self._counts,
                f"    while ({' && '.join(waits)}) {{",
                *_indent(_indent(body)),
                "    }",
                "}\n",
            ]
        )

    def _call_row(self, number: int) -> list[str]:
        stage = self.stream.stages[number]
        output = stage.layer.output
        buffered = self.layout.rows.get(output.name)
        target = f"arena + {self.base + buffered}" if buffered is not None else self._place(number)
        operands = []
        for index in stage.queues:
            queue = self.stream.queues[index]
            if queue.resident:
                step = queue.reading.stride * queue.row_bytes
                place = f"arena + {self.plan.offsets[queue.tensor.name]}"
                place += f" + {self._made(number)} * {step}"
            else:
                place = self._queue(index)
            operands.append(pointer(f"const {element_type(queue.tensor)}", place))
        arguments = ["arena", *operands, pointer(element_type(output), target)]
        if isinstance(stage.kernel, RowPool):
            arguments.append(f"{self._made(number)} % {stage.period}")
        lines = [f"{self._row_symbol(stage)}({', '.join(arguments)});"]
        if buffered is not None:
            copy = f"MIDGE_COPY({self._place(number)}, {target}, {row_bytes(output)});"
            finished = f"{self._made(number)} % {stage.period} == {stage.period - 1}"
            lines += [copy] if stage.period == 1 else [f"if ({finished}) {{", f"    {copy}", "}"]
        return lines

    def _queue(self, index: int) -> str:
        return f"arena + {self.base + (self.layout.queues[index] or 0)}"

    def _next_place(self, index: int) -> str:
        """Where the next row of a queue goes."""
        queue = self.stream.queues[index]
        return f"midge_row_place({self._queue(index)}, {self._count(index)}, {queue.row_bytes})"

    def _place(self, number: int) -> str:
        """Where the next row of a stage goes: into the output, or the first queue that takes it."""
        stage = self.stream.stages[number]
        output = stage.layer.output
        if number < len(self.stream.stages) - 1:
            return self._next_place(self.stream.readers(output.name)[0])
        row = self._made(number) if stage.period == 1 else f"{self._made(number)} / {stage.period}"
        return f"arena + {self.plan.offsets[output.name]} + {row} * {row_bytes(output)}"

    def _forget(self, stage: Stage) -> list[str]:
        queues = [(i, self.stream.queues[i]) for i in stage.queues]
        return [
            f"midge_take_rows({self._queue(i)}, &{self._count(i)}, {q.reading.stride}, "
            f"{q.row_bytes});"
            for i, q in queues
            if not q.resident
        ]

    # -- a row is there -------------------------------------------------------------------------

    def _hand_on(self, number: int) -> list[str]:
        """What follows a row that stands at the place of its first queue."""
        stage = self.stream.stages[number]
        first, *others = self.stream.readers(stage.layer.output.name)
        size = row_bytes(stage.layer.output)
        copies = [
            f"MIDGE_COPY({self._next_place(i)}, {self._next_place(first)}, {size});" for i in others
        ]
        end = f"{self._made(number)} == {stage.row.rows * stage.period}"
        return [*copies, *self._arrived(stage.layer.output, end)]

    def _arrived(self, tensor: Tensor, at_the_end: str) -> list[str]:
        readers = self.stream.readers(tensor.name)
        stages = dict.fromkeys(self.stream.queues[i].stage for i in readers)
        padding: list[str] = []
        for index in readers:
            queue = self.stream.queues[index]
            if queue.reading.pad_after:
                padding += [
                    f"for (int32_t i = 0; i < {queue.reading.pad_after}; i++) {{",
                    f"    MIDGE_FILL({self._next_place(index)}, {queue.reading.fill}, "
                    f"{queue.row_bytes});",
                    f"    {self._count(index)}++;",
                    f"    {self._make_symbol(queue.stage)}(arena);",
                    "}",
                ]
        return [
            *(f"{self._count(i)}++;" for i in readers),
            *(f"{self._make_symbol(stage)}(arena);" for stage in stages),
            *([f"if ({at_the_end}) {{", *_indent(padding), "}"] if padding else []),
        ]

    # -- from outside ---------------------------------------------------------------------------

    def _begin(self) -> str:
        """Nothing was made yet, and above each image stands its padding."""
        count = len(self.stream.queues) + len(self.stream.stages) + 1
        padding: list[str] = []
        for index, queue in enumerate(self.stream.queues):
            before = queue.reading.pad_before
            if before:
                size = before * queue.row_bytes
                padding += [
                    f"    MIDGE_FILL({self._queue(index)}, {queue.reading.fill}, {size});",
                    f"    {self._count(index)} = {before};",
                ]
        return "\n".join(
            [
                f"static void {self.symbol}_begin(uint8_t *arena) {{",
                self._counts,
                f"    for (int32_t i = 0; i < {count}; i++) {{",
                "        counts[i] = 0;",
                "    }",
                *padding,
                "}\n",
            ]
        )

    def _push(self) -> str:
        """One row of the source comes in."""
        source = self.stream.source
        pushed = f"counts[{len(self.stream.queues) + len(self.stream.stages)}]"
        size = row_bytes(source)
        copies = [
            f"MIDGE_COPY({self._next_place(i)}, row, {size});"
            for i in self.stream.readers(source.name)
        ]
        body = [*copies, f"{pushed}++;", *self._arrived(source, f"{pushed} == {source.shape[1]}")]
        return "\n".join(
            [
                f"static void {self.symbol}_push(uint8_t *arena, const void *row) {{",
                self._counts,
                *_indent(body),
                "}\n",
            ]
        )

    def _run(self) -> str:
        source = self.stream.source
        at, size = self.plan.offsets[source.name], row_bytes(source)
        return "\n".join(
            [
                f"MIDGE_LAYER void {self.symbol}(uint8_t *arena) {{",
                "    MIDGE_KEEP_LAYER;",
                f"    {self.symbol}_begin(arena);",
                f"    for (int32_t i = 0; i < {source.shape[1]}; i++) {{",
                f"        {self.symbol}_push(arena, arena + {at} + i * {size});",
                "    }",
                "}\n",
            ]
        )


def _indent(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
