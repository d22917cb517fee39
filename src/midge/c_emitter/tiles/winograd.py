"""Tiles of Winograd's convolution, two side by side: data in, products and outputs out.

For each pair of tiles the driver in `device/kernels/winograd_s8_dsp.h` gathers a patch of the image
(`gather_tile`), then calls two functions more:

- `transform_tile` turns the patch into *records*, one for each of the size**2 places in a tile: the
  channels of both tiles at that place, transformed, two to a word; then room for four sums.
- `multiply_tile` takes two output channels at a time. It multiplies all records by their filters,
  which stream in, and leaves the four sums (two tiles, two channels) in the record: the pointer
  that reads the record then stands where they belong. Then it transforms the sums back, rescales
  them and stores int8. So the sums of two channels are all that is ever kept.

Places are numbered down the columns. A record of C channels has `record_bytes(C)`::

    for each 4 channels c:  c, c+2 of tile 0;  the same of tile 1;  c+1, c+3 of tile 0;  of tile 1
    sums: (tile 0, channel n), (tile 0, n+1), (tile 1, n), (tile 1, n+1)

The stream has for each two output channels: for each place and each 4 channels the filters of
``c, c+2`` for n and n+1, then of ``c+1, c+3``; then for n and for n+1 `PARAMETER_WORDS`
(`winograd_stream.stream_of`).
"""

from __future__ import annotations

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.asm import Assembly, load_words, registers
from midge.c_emitter.tiles.rescale import Rescale
from midge.c_emitter.tiles.winograd_transform import DATA_OFFSET, TAPS, Transform

SLOT_BYTES = 16
"""Four sums at the end of a record."""
PARAMETER_WORDS = 9
"""Of an output channel: its bias, scale, third word, multiplier, addend, and four corrections."""
LARGEST_CHANNELS = 128
"""Of the input: inner loops are unrolled over them."""
LARGEST_PAIRED_CHANNELS = 64
"""Of the input, where two pairs of tiles are computed at once: their records lie further apart."""
_UNROLLED = 170
"""Most instructions of the inner loop: two thirds of a flash cache of a kilobyte."""
_REACH = 4092
"""Of a load's or store's immediate offset, for words."""
_RECORD, _LAST_RECORD, _COLUMN, _COLUMNS = range(0, 16, 4)
"""The frame of `transform_tile`: pointers, then the columns."""
_RECORDS, _RECORDS_END, _Y, _NEXT_Y, _Y_END, _TURN = range(0, 24, 4)
"""The frame of `multiply_tile`."""


def record_bytes(channels: int) -> int:
    """Of one place of a pair of tiles."""
    return 4 * channels + SLOT_BYTES


class _Cursor:
    """A base register that moves when an offset is out of its reach."""

    def __init__(self, code: Assembly, register: str) -> None:
        self._code = code
        self._register = register
        self._at = 0

    def place(self, offset: int) -> str:
        """The operand for a word at this offset from where the register stood at first."""
        if not -252 <= offset - self._at <= _REACH:
            self.move(offset)
        return f"[{self._register}, #{offset - self._at}]"

    def move(self, offset: int) -> None:
        """Let the register point at this offset."""
        distance = offset - self._at
        while distance:
            step = min(abs(distance), 4095)
            operation = "add" if distance > 0 else "sub"
            self._code(f"{operation}w {self._register}, {self._register}, #{step}")
            distance -= step if distance > 0 else -step
        self._at = offset


def transform_tile(transform: Transform, channels: int, pairs: int) -> TileFunction:
    """From a patch to the records of one pair of tiles.

    The patch is int8 [size][2 * m + 2][channels]. For each four channels, columns are transformed
    onto the stack, once for both tiles; then the rows of both tiles into the records. Both loops
    are short, so that a flash cache of a kilobyte holds them.
    """
    m, code = transform.outputs, Assembly()
    columns = 2 * m + TAPS - 1
    frame = code.enter(_COLUMNS + columns * _column_bytes(transform))
    code(f"str r1, [sp, #{_RECORD}]", f"add r1, r1, #{4 * channels}")
    code(f"str r1, [sp, #{_LAST_RECORD}]", "1:")
    _transform_columns(code, transform, channels)
    code(f"ldr r7, [sp, #{_RECORD}]")
    _transform_rows(code, transform, pairs * record_bytes(channels))
    code(f"sub r0, r0, #{channels * columns - 4}", f"ldr r7, [sp, #{_RECORD}]")
    code(f"add r7, r7, #{SLOT_BYTES}", f"str r7, [sp, #{_RECORD}]")
    code(f"ldr r1, [sp, #{_LAST_RECORD}]", "cmp r7, r1", "bne.w 1b")
    code.leave(frame)
    return code.function(
        f"midge_winograd{m}x{pairs}_in_c{channels}",
        f"Winograd F({m} x {m}, 3 x 3): a patch of {channels} channels, transformed.",
        ("const int8_t *patch", "uint32_t *records"),
    )


def _column_bytes(transform: Transform) -> int:
    """Of a transformed column on the stack: even channels, odd channels."""
    return 8 * transform.size


def _transform_columns(code: Assembly, transform: Transform, channels: int) -> None:
    """Load, widen and transform each column of a patch; store its even and its odd channels.

    Data take every register but r0, which moves behind the columns.
    """
    size, columns = transform.size, 2 * transform.outputs + TAPS - 1
    even = [f"r{1 + i}" for i in range(size)]
    odd = [f"r{1 + size + i}" for i in range(size)]
    code(f"add lr, sp, #{_COLUMNS}", f"str lr, [sp, #{_COLUMN}]", "2:")
    patch = _Cursor(code, "r0")
    code.extend(f"ldr {odd[i]}, {patch.place(i * columns * channels)}" for i in range(1, size))
    patch.move(0)
    code(f"ldr {odd[0]}, [r0], #{channels}")
    # int8 to [0, 255]: the offset's products are in the bias.
    code(f"mov lr, #{DATA_OFFSET * 0x10001:#010x}")
    for i in range(size):
        code(f"sxtab16 {even[i]}, lr, {odd[i]}", f"sxtab16 {odd[i]}, lr, {odd[i]}, ror #8")
    for values in (even, odd):
        code.extend(step.text((*values, "lr")) for step in transform.in_steps)
    code(f"ldr lr, [sp, #{_COLUMN}]", f"stm lr!, {registers((*even, *odd))}")
    code(f"str lr, [sp, #{_COLUMN}]", f"add r1, sp, #{_COLUMNS + columns * 8 * size}")
    code("cmp lr, r1", "bne.w 2b")


def _transform_rows(code: Assembly, transform: Transform, stride: int) -> None:
    """Transform each row of the stored columns into records from r7 on."""
    m, size = transform.outputs, transform.size
    values = tuple(f"r{1 + i}" for i in range(size))
    code(f"add r12, sp, #{_COLUMNS}", "3:")
    bases = ["r7"]
    while (size - 1) * size * stride + SLOT_BYTES > len(bases) * _REACH:
        bases.append(f"r{7 + len(bases)}")
        code(f"addw {bases[-1]}, {bases[-2]}, #{_REACH}")
    for tile in range(2):
        for half in range(2):
            for j in range(size):
                place = _column_bytes(transform) * (tile * m + j) + 4 * size * half
                code(f"ldr {values[j]}, [r12, #{place}]")
            code.extend(f"add {v}, {v}, #{transform.guard:#x}" for v in values[m:])
            code.extend(step.text((*values, "lr")) for step in transform.in_steps)
            for j in range(size):
                offset = j * size * stride + 8 * half + 4 * tile
                base = min(offset // _REACH, len(bases) - 1)
                code(f"str {values[j]}, [{bases[base]}, #{offset - base * _REACH}]")
    code("add r12, r12, #4", f"addw r7, r7, #{stride}")
    code(f"add r1, sp, #{_COLUMNS + 4 * size}", "cmp r12, r1", "bne.w 3b")


def multiply_tile(
    transform: Transform,
    channels: int,
    outputs: int,
    row_bytes: int,
    pairs: int,
    rescale: Rescale,
) -> TileFunction:
    """From records to int8 outputs: two channels at a time, all places, then back and stored.

    Args:
        transform: The transform.
        channels: Of the input.
        outputs: Channels of the output.
        row_bytes: From an output to the one below it.
        pairs: Of tiles, 1 or 2; filters are read once for all.
        rescale: Of the layer.
    """
    record, code = record_bytes(channels), Assembly()
    records_bytes = transform.products * pairs * record
    frame = code.enter(24)
    code(f"str r0, [sp, #{_RECORDS}]", f"movw r4, #{records_bytes}", "add r0, r0, r4")
    code(f"str r0, [sp, #{_RECORDS_END}]", f"str r2, [sp, #{_Y}]", f"str r3, [sp, #{_NEXT_Y}]")
    code(f"add r2, r2, #{outputs}", f"str r2, [sp, #{_Y_END}]")
    code("mov r2, #0", f"str r2, [sp, #{_TURN}]", "1:", f"ldr r0, [sp, #{_RECORDS}]")
    _multiply_records(code, transform, channels, pairs)
    code(f"movw r2, #{records_bytes - 4 * channels}", "sub r0, r0, r2")
    code(f"ldr r12, [sp, #{_Y}]", "3:")
    code("add lr, r1, #4", "ldm lr, {r8, r9, r10, r11}", "4:")
    _sums_to_columns(code, transform, pairs * record)
    _outputs_of_rows(code, transform, outputs, row_bytes, rescale)
    # Bits 3 and 2 of the address of a sum say of which tile and channel it is.
    tile = transform.outputs * outputs
    code(f"add r12, r12, #{tile}", "tst r0, #8", "bne.w 4b")
    code(f"add r1, r1, #{4 * PARAMETER_WORDS}", "sub r0, r0, #12")
    code(f"sub r12, r12, #{2 * tile - 1}", "tst r0, #4", "bne.w 3b")
    if pairs == 2:
        code(f"ldr r3, [sp, #{_NEXT_Y}]", f"str r12, [sp, #{_NEXT_Y}]", "mov r12, r3")
        code(f"ldr r2, [sp, #{_TURN}]", "eors r2, r2, #1", f"str r2, [sp, #{_TURN}]", "beq 5f")
        code(f"sub r1, r1, #{8 * PARAMETER_WORDS}", f"add r0, r0, #{record - 8}", "b.w 3b", "5:")
    code(f"str r12, [sp, #{_Y}]", f"ldr r2, [sp, #{_Y_END}]", "cmp r12, r2", "bne.w 1b")
    code.leave(frame)
    m = transform.outputs
    return code.function(
        f"midge_winograd{m}x{pairs}_c{channels}_n{outputs}_s{row_bytes}_{rescale.key}",
        f"Winograd F({m} x {m}, 3 x 3): products of {channels} channels, back to {outputs} "
        "channels, rescaled.",
        ("uint32_t *records", "const uint32_t *stream", "int8_t *y", "int8_t *next_y"),
    )


def _multiply_records(code: Assembly, transform: Transform, channels: int, pairs: int) -> None:
    """Records times filters: r0 moves over records, r1 over the stream.

    The products of several records are unrolled, if they are short. Long ones are not, and the
    flags, which no product touches, say of which pair they are: not equal for the first.
    """
    per_record = 10 * (channels // 4) + 1
    unrolled = [
        c
        for c in range(1, transform.products + 1)
        if transform.products % c == 0 and c * pairs * per_record <= _UNROLLED
    ]
    again = f"sub r1, r1, #{4 * channels}"
    code("movs r2, #1", "2:")
    if unrolled or pairs == 1:
        for _ in range(max(unrolled, default=1)):
            for pair in range(pairs):
                code.extend([again] * pair)
                _multiply_record(code, channels)
    else:
        _multiply_record(code, channels)
        code("beq 6f", again, "cmp r1, r1", "b.w 2b", "6:")
    code(f"ldr r2, [sp, #{_RECORDS_END}]", "cmp r0, r2", "bne.w 2b")


def _multiply_record(code: Assembly, channels: int) -> None:
    """Two tiles' data of one record by two channels' filters; the sums behind the data."""
    data, filters = ("r2", "r3", "r4", "r5"), ("r6", "r7", "r8", "r9")
    sums = ("r10", "r11", "r12", "lr")
    for group in range(channels // 4):
        code(load_words(data, "r0"), load_words(filters, "r1"))
        for half in range(2):
            for tile in range(2):
                for output in range(2):
                    total = sums[2 * tile + output]
                    factors = f"{data[2 * half + tile]}, {filters[2 * half + output]}"
                    if group == half == 0:
                        code(f"smuad {total}, {factors}")
                    else:
                        code(f"smlad {total}, {factors}, {total}")
    code(f"stm r0!, {registers(sums)}")


def _sums_to_columns(code: Assembly, transform: Transform, stride: int) -> None:
    """Transform each column of a tile's sums onto the stack, as m rows of `size` words.

    r0 moves on to the other tile's.
    """
    size = transform.size
    values = tuple(f"r{2 + i}" for i in range(size))
    code(f"sub sp, sp, #{4 * size * transform.outputs}")
    sums = _Cursor(code, "r0")
    for column in range(size):
        for row in range(size):
            code(f"ldr {values[row]}, {sums.place((column * size + row) * stride)}")
        if column == 1 and transform.outputs > 2:
            # The sum at place (1, 1) is part of every output once: a bias on it is one on all.
            code("ldr lr, [r1]", f"add {values[1]}, {values[1]}, lr")
        code.extend(step.text((*values, "lr")) for step in transform.out_steps)
        for row, value in enumerate(transform.out_order):
            code(f"str {values[value]}, [sp, #{4 * (row * size + column)}]")
    sums.move(8)


def _outputs_of_rows(
    code: Assembly, transform: Transform, outputs: int, row_bytes: int, rescale: Rescale
) -> None:
    """Pop each row, transform, rescale and store it from r12 on."""
    m, size = transform.outputs, transform.size
    values = tuple(f"r{2 + i}" for i in range(size))
    spare = next(f"r{2 + i}" for i in range(size) if i not in transform.out_order)
    words = ("r10", "r11", "r9")[: rescale.words_a_channel]
    image = _Cursor(code, "r12")
    for row in range(m):
        code(f"pop {registers(values)}")
        code.extend(step.text((*values, "lr")) for step in transform.out_steps)
        for column, value in enumerate(transform.out_order):
            total = values[value]
            corner = row - (m - 2), column - (m - 2)
            if min(corner) < 0:
                code(f"mul {total}, {total}, r8")
            else:
                code(f"ldr {spare}, [r1, #{4 * (5 + 2 * corner[0] + corner[1])}]")
                code(f"mla {total}, {total}, r8, {spare}")
            code.extend(rescale.lines(total, words, "lr"))
            code(f"strb {total}, {image.place(row * row_bytes + column * outputs)}")
    image.move(0)


def gather_tile() -> TileFunction:
    """Copies rows of an image to a patch, with fill before and after each.

    What it reads of ``struct midge_winograd_rows``, in this order: rows (at least 1, counted down),
    bytes filled before, copied and filled after in each, source bytes skipped between two, and the
    word to fill with. All sizes are multiples of 4.
    """
    code, words = Assembly(), ("r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10")
    frame = code.enter(0)
    code("ldr r11, [r2, #20]", "1:")
    _fill(code, "ldr r12, [r2, #4]")
    code("ldr r12, [r2, #8]", "subs r12, r12, #32", "blo 4f", "3:")
    code(load_words(words, "r1"), f"stm r0!, {registers(words)}")
    code("subs r12, r12, #32", "bhs 3b", "4:", "adds r12, r12, #32", "beq 6f", "5:")
    code("ldr r3, [r1], #4", "str r3, [r0], #4", "subs r12, r12, #4", "bne 5b", "6:")
    _fill(code, "ldr r12, [r2, #12]")
    code("ldr r12, [r2, #16]", "add r1, r1, r12")
    code("ldr r12, [r2, #0]", "subs r12, r12, #1", "str r12, [r2, #0]", "bne 1b")
    code.leave(frame)
    return code.function(
        "midge_winograd_gather",
        "Rows of an image, with fill on both sides.",
        ("int8_t *patch", "const int8_t *image", "struct midge_winograd_rows *rows"),
    )


def _fill(code: Assembly, load_size: str) -> None:
    """Store the word of r11 at r0 for as many bytes as are loaded into r12."""
    code(load_size, "cmp r12, #0", "beq 8f", "7:")
    code("str r11, [r0], #4", "subs r12, r12, #4", "bne 7b", "8:")
