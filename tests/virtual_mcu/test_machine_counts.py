"""Instruction and flash counts of code whose counts are known from how it was written."""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.errors import InternalError
from midge.virtual_mcu import CALLER, CacheGeometry, FlashMemory, open_machine
from midge.virtual_mcu.block_trace import BlockTracer, FlashStatistics, instruction_lengths
from toolchain.sample_model import UNICORN_CORES, tiny_program

SAMPLE = (bytes(64),)
NAKED = "__attribute__((naked, noinline, aligned(64))) static void {name}(void *arena)\n{{\n"
ARM_CORES = tuple(core for core in UNICORN_CORES if core.startswith("cortex"))


def naked(name: str, *lines: str) -> str:
    text = "\n".join(f'        "{line}\\n"' for line in lines)
    return NAKED.format(name=name) + f"    __asm__ volatile(\n{text});\n}}\n"


def flash(fetch: CacheGeometry, data: CacheGeometry | None = None) -> FlashMemory:
    return FlashMemory(fetch, data, 1, 1, prefetch=False)


@pytest.mark.parametrize("core", UNICORN_CORES)
def test_straight_code_counts_each_instruction(core: str) -> None:
    back = "bx lr" if core.startswith("cortex") else "ret"
    # Longer than any block an emulator translates at once.
    body = naked("tiny_layer", ".rept 3000", "nop", ".endr", back)
    inference, trace = open_machine(tiny_program(core, _quiet(body))).trace(SAMPLE)
    assert trace.layer_instructions == (3001,)
    assert inference.instructions == 3001 + trace.caller_instructions


@pytest.mark.parametrize("core", [core for core in ARM_CORES if core != "cortex-m0plus"])
def test_skipped_instructions_of_an_it_block_are_counted(core: str) -> None:
    body = naked(
        "tiny_layer",
        "movs r1, #1",
        "cmp r1, #1",
        "ittee ne",  # the condition is false: two are skipped, two run
        "addne r1, #1",
        "addne r1, #1",
        "addeq r1, #1",
        "addeq r1, #1",
        "bx lr",
    )
    _, trace = open_machine(tiny_program(core, _quiet(body))).trace(SAMPLE)
    assert trace.layer_instructions == (8,)


@pytest.mark.parametrize("core", [core for core in ARM_CORES if core != "cortex-m0plus"])
def test_a_load_from_flash_in_an_it_block_leaves_no_trace(core: str) -> None:
    body = naked(
        "tiny_layer",
        "adr r2, 3f",
        "movs r1, #2",
        "1: ldr r3, 4f",
        "subs r1, #1",
        "it ge",
        "ldrge r12, [r2]",  # the emulator's state of this IT block must not reach label 2
        "cmp r1, #9",
        "bx r3",
        ".align 2",
        "3: .word 0",
        "4: .word 2f + 1",
        "2: mov.w r3, #1",  # skipped, were its condition GE
        "cmp r3, #1",
        "bne 3b",
        "cmp r1, #0",
        "bne 1b",
        "bx lr",
    )
    machine = open_machine(tiny_program(core, _quiet(body)))
    plain, counted = machine.trace(SAMPLE)
    watched, simulated = machine.trace(SAMPLE, flash=flash(CacheGeometry(16, 2, 2)))
    assert watched == plain
    assert simulated.edges == counted.edges
    assert simulated.flash is not None
    assert simulated.flash[0].data_reads == 4  # two turns of two loads


@pytest.mark.parametrize("core", UNICORN_CORES)
def test_loop_counts_its_turns(core: str) -> None:
    if core.startswith("cortex"):
        body = naked("tiny_layer", "movs r1, #200", "1: subs r1, #1", "bne 1b", "bx lr")
    else:
        body = naked("tiny_layer", "li a1, 200", "1: addi a1, a1, -1", "bnez a1, 1b", "ret")
    _, trace = open_machine(tiny_program(core, _quiet(body))).trace(SAMPLE)
    assert trace.layer_instructions == (1 + 200 * 2 + 1,)
    turns = [edge.count for edge in trace.edges if edge.block == edge.next_block]
    assert turns == [198], "the first turn belongs to the block that enters, the last one leaves"


def test_loop_that_begins_at_the_entry_is_one_layer() -> None:
    # Its head is the layer's entry address: going round is not entering again.
    body = naked("tiny_layer", "1: subs r1, #1", "bne 1b", "bx lr")
    calls = '__asm__ volatile("movs r1, #5" ::: "r1"); tiny_layer(arena);' * 2
    layers = ("tiny_layer", "tiny_layer")
    program = tiny_program("cortex-m4", _quiet(body), layers=layers, calls=calls)
    _, trace = open_machine(program).trace(SAMPLE)
    assert trace.layer_instructions == (11, 11)


def test_each_call_of_a_shared_function_is_its_own_layer() -> None:
    body = naked("tiny_layer", ".rept 9", "nop", ".endr", "bx lr") + naked("tiny_other", "bx lr")
    program = tiny_program(
        "cortex-m3",
        _quiet(body),
        layers=("tiny_layer", "tiny_other", "tiny_layer"),
        calls="tiny_layer(arena); tiny_other(arena); tiny_layer(arena);",
    )
    _, trace = open_machine(program).trace(SAMPLE)
    assert trace.layer_instructions == (10, 1, 10)


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4", "rv32imc"])
def test_fetches_and_data_reads_are_those_of_the_code(core: str) -> None:
    arm = core.startswith("cortex")
    load = "ldrb r2, [r1]" if arm else "lbu a2, 0(a1)"
    step = "adds r1, #4" if arm else "addi a1, a1, 4"
    address = "ldr r1, 2f" if arm else "la a1, tiny_words"
    back = ("bx lr", ".balign 4", "2: .word tiny_words") if arm else ("ret",)
    body = "__attribute__((aligned(64), used)) static const uint8_t tiny_words[256] = {1};\n"
    body += naked("tiny_layer", address, ".rept 40", load, step, ".endr", *back)
    program = tiny_program(core, _quiet(body))
    code = program.symbol("tiny_layer")
    line = 16
    shape = flash(CacheGeometry(line, 4, 2), CacheGeometry(line, 1, 1))
    _, trace = open_machine(program).trace(SAMPLE, flash=shape)
    assert trace.flash is not None
    found = trace.flash[0]
    lengths = instruction_lengths("arm" if arm else "riscv", program.read(code.address, code.size))
    instructions = trace.layer_instructions[0]
    lines = 1 + (code.address + sum(lengths[:instructions]) - 1) // line - code.address // line
    literal = 1 if arm else 0
    assert (found.fetch_lines, found.fetch_misses) == (lines, lines)
    assert found.fetch_misses_sequential == lines - 1, "all but the line it was called to"
    assert found.data_reads == 40 + literal
    assert found.data_misses == 40 * 4 // line + literal


def test_unified_cache_shares_lines_between_code_and_data() -> None:
    # The word stands in the line that is being fetched.
    body = naked("tiny_layer", "ldr r1, 2f", "bx lr", ".balign 4", "2: .word 7")
    program = tiny_program("cortex-m3", _quiet(body))
    machine = open_machine(program)
    _, shared = machine.trace(SAMPLE, flash=flash(CacheGeometry(32, 8, 1)))
    _, apart = machine.trace(SAMPLE, flash=flash(CacheGeometry(32, 8, 1), CacheGeometry(32, 1, 1)))
    assert shared.flash is not None
    assert apart.flash is not None
    assert (shared.flash[0].data_reads, shared.flash[0].data_misses) == (1, 0)
    assert (apart.flash[0].data_reads, apart.flash[0].data_misses) == (1, 1)


def test_trace_after_trace_is_the_same() -> None:
    body = naked("tiny_layer", ".rept 100", "nop", ".endr", "bx lr")
    machine = open_machine(tiny_program("cortex-m4", _quiet(body)))
    shape = flash(CacheGeometry(16, 2, 2))
    first = machine.trace(SAMPLE, flash=shape)
    plain = machine.trace(SAMPLE)
    assert machine.trace(SAMPLE, flash=shape) == first, "caches are cold at every start"
    assert machine.run([SAMPLE]) == [plain[0]]
    assert plain[1].flash is None
    assert plain[1].edges == first[1].edges


# -- the native tables against a model in Python ----------------------------------------------

BLOCKS = st.lists(
    st.tuples(st.integers(0, 60).map(lambda n: 0x1000 + 8 * n), st.sampled_from([2, 4, 8, 30])),
    min_size=1,
    max_size=200,
)
CACHES = st.builds(
    CacheGeometry, st.sampled_from([8, 16, 32]), st.sampled_from([1, 2, 4]), st.integers(1, 4)
)
READS = st.lists(st.tuples(st.integers(0x1000, 0x1200), st.sampled_from([1, 2, 4, 8])), max_size=8)
RUN = (0x1000, 0x1020)
ENTRIES = ((0x1040, 0x10C0), (0x1080,), (0x1040, 0x10C0))
FLASH_RANGE = (0x1000, 0x1180)


@settings(deadline=None)
@given(blocks=BLOCKS, reads=READS, fetch=CACHES, data=st.none() | CACHES)
def test_native_tables_equal_a_model_in_python(
    blocks: list[tuple[int, int]],
    reads: list[tuple[int, int]],
    fetch: CacheGeometry,
    data: CacheGeometry | None,
) -> None:
    tracer = BlockTracer(RUN, ENTRIES)
    tracer.begin(flash(fetch, data), FLASH_RANGE)
    on_block, on_read = _callbacks(tracer)
    model = _Model(fetch, data)
    for number, (address, size) in enumerate(blocks):
        on_block(None, address, size, tracer.user_data)
        model.enter(address, size)
        for read, width in reads[number % 5 :: 5]:
            if FLASH_RANGE[0] <= read < FLASH_RANGE[1]:
                on_read(None, 16, read, width, 0, tracer.user_data)
                model.read(read, width)
    edges, statistics = tracer.finish()
    model.finish()
    counts = {(e.layer, e.block, e.size_bytes, e.next_block): e.count for e in edges}
    assert counts == model.edges
    assert statistics == {layer: FlashStatistics(*model.counts[layer]) for layer in range(-1, 3)}


@settings(deadline=None, max_examples=5)
@given(st.integers(5000, 20000))
def test_table_grows(count: int) -> None:
    tracer = BlockTracer((0, 2), ())
    tracer.begin()
    on_block, _ = _callbacks(tracer)
    for number in range(count):
        on_block(None, 0x1000 + 4 * number, 4, tracer.user_data)
    edges, _ = tracer.finish()
    assert len(edges) == count
    assert {edge.count for edge in edges} == {1}
    tracer.begin()
    assert tracer.finish() == ([], None)


@pytest.mark.parametrize("family", ["arm", "riscv"])
@given(st.data())
def test_instruction_lengths_follow_the_first_half_word(family: str, data: st.DataObject) -> None:
    expected = data.draw(st.lists(st.sampled_from([2, 4]), max_size=30))
    code = b""
    for length in expected:
        low = data.draw(st.integers(0, 0xFFFF))
        if family == "arm":
            half = 0xE800 | low if length == 4 else low % 0xE800
        else:
            half = low | 3 if length == 4 else low & ~1
        code += half.to_bytes(2, "little") + data.draw(st.binary(min_size=2, max_size=2)) * (
            length == 4
        )
    assert instruction_lengths(family, code) == tuple(expected)
    if expected and expected[-1] == 4:
        with pytest.raises(InternalError, match="ends inside an instruction"):
            instruction_lengths(family, code[:-2])


class _Model:
    """What block_trace.c says it does, written again."""

    def __init__(self, fetch: CacheGeometry, data: CacheGeometry | None) -> None:
        self.edges: Counter[tuple[int, int, int, int | None]] = Counter()
        self.counts = {layer: [0, 0, 0, 0, 0] for layer in range(-1, 3)}
        self._fetch = _Cache(fetch)
        self._data = self._fetch if data is None else _Cache(data)
        self._layer, self._entered, self._line = CALLER, 0, -1
        self._last: tuple[int, int, int] | None = None

    def enter(self, address: int, size: int) -> None:
        if self._last is not None:
            self.edges[(*self._last, address)] += 1
        if RUN[0] <= address < RUN[1]:
            self._layer = CALLER
        elif self._layer == CALLER:
            later = [i for i in range(self._entered, 3) if address in ENTRIES[i]]
            if later:
                self._layer = later[0]
                self._entered = self._layer + 1
        self._last = (self._layer, address, size)
        if not FLASH_RANGE[0] <= address < FLASH_RANGE[1]:
            self._line = -1
            return
        row, width = self.counts[self._layer], self._fetch.shape.line_bytes
        for line in range(address // width, (address + size - 1) // width + 1):
            if line != self._line:
                row[0] += 1
                if self._fetch.misses(line):
                    row[1] += 1
                    row[2] += self._line >= 0 and line == self._line + 1
            self._line = line

    def read(self, address: int, size: int) -> None:
        row, width = self.counts[self._layer], self._data.shape.line_bytes
        row[3] += max(1, size // 4)
        for line in range(address // width, (address + size - 1) // width + 1):
            row[4] += self._data.misses(line)

    def finish(self) -> None:
        if self._last is not None:
            self.edges[(*self._last, None)] += 1


class _Cache:
    def __init__(self, shape: CacheGeometry) -> None:
        self.shape = shape
        self._sets: list[list[int]] = [[] for _ in range(shape.sets)]

    def misses(self, line: int) -> bool:
        ways = self._sets[line % self.shape.sets]
        missing = line not in ways
        if not missing:
            ways.remove(line)
        ways.append(line)
        if len(ways) > self.shape.ways:
            ways.pop(0)
        return missing


def _callbacks(tracer: BlockTracer) -> tuple[Callable[..., None], Callable[..., None]]:
    block = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p
    )
    read = ctypes.CFUNCTYPE(
        None,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_uint64,
        ctypes.c_int,
        ctypes.c_int64,
        ctypes.c_void_p,
    )
    return block(tracer.block_callback), read(tracer.read_callback)


def _quiet(body: str) -> str:
    """Naked functions take their argument by register."""
    return '#pragma GCC diagnostic ignored "-Wunused-parameter"\n' + body
