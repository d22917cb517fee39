"""Planning problems for the tests: a small builder, four known networks, random ones."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from midge.memory_plan import Alias, Buffer, Overlap, Problem, Step


class Net:
    """Builds a Problem step by step; every step writes one buffer that bears the step's name."""

    def __init__(self, **inputs: int) -> None:
        self.buffers = [Buffer(name, size) for name, size in inputs.items()]
        self.inputs = tuple(inputs)
        self.steps: list[Step] = []
        self.aliases: list[Alias] = []

    def step(self, name, size, *reads, distance=None, scratch=0, alignment=4):
        """Add a step; `distance` offers an overlap with each operand in turn (None: none)."""
        distances = distance if isinstance(distance, tuple) else (distance,) * len(reads)
        overlaps = tuple(
            Overlap(read, name, d)
            for read, d in zip(reads, distances, strict=True)
            if d is not None
        )
        self.buffers.append(Buffer(name, size, alignment))
        self.steps.append(Step(f"op_{name}", reads, (name,), scratch, overlaps))
        return name

    def reshape(self, name, source):
        size = next(b.size_bytes for b in self.buffers if b.name == source)
        self.step(name, size, source)
        self.aliases.append(Alias(source, name))
        return name

    def problem(self, *outputs, keep=()):
        return Problem(
            tuple(self.buffers), tuple(self.steps), self.inputs, outputs, keep, tuple(self.aliases)
        )


def ad01() -> Problem:
    """The fully connected autoencoder of MLPerf Tiny: 640 - 128 x 4 - 8 - 128 x 4 - 640."""
    net = Net(input=640)
    last = "input"
    for k, size in enumerate([128] * 4 + [8] + [128] * 4 + [640]):
        last = net.step(f"fc{k}", size, last)
    return net.problem(last)


def kws01() -> Problem:
    """DS-CNN: 49 x 10 in, one 10 x 4 convolution, four separable blocks at 25 x 5 x 64."""
    net = Net(input=490)
    last = net.step("conv0", 8000, "input")
    for k in range(1, 5):
        last = net.step(f"dw{k}", 8000, last, distance=0)
        last = net.step(f"pw{k}", 8000, last, distance=64)
    last = net.step("pool", 64, last)
    last = net.reshape("flat", last)
    last = net.step("fc", 12, last)
    return net.problem(net.step("softmax", 12, last, distance=0))


def vww01(*, overlap_rows: bool = False) -> Problem:
    """MobileNetV1 0.25 at 96 x 96; `overlap_rows` adds distances that row-wise kernels keep."""
    net = Net(input=96 * 96 * 3)
    side, channels = 48, 8
    last = net.step("conv0", side * side * channels, "input")
    blocks = [(1, 16), (2, 32), (1, 32), (2, 64), (1, 64), (2, 128)]
    blocks += [(1, 128)] * 5 + [(2, 256), (1, 256)]
    for k, (stride, wider) in enumerate(blocks, start=1):
        row = side * channels
        side //= stride
        size = side * side * channels
        last = net.step(f"dw{k}", size, last, distance=2 * row if overlap_rows else None)
        before, size = size, side * side * wider
        pixel = max(0, size - before) + wider
        last = net.step(f"pw{k}", size, last, distance=pixel if overlap_rows else None)
        channels = wider
    last = net.step("pool", channels, last)
    last = net.reshape("flat", last)
    last = net.step("fc", 2, last)
    return net.problem(net.step("softmax", 2, last))


def ic01(*, in_place: bool = False) -> Problem:
    """ResNet-8 at 32 x 32: three residual stages of 16, 32 and 64 channels."""
    zero = 0 if in_place else None
    net = Net(input=32 * 32 * 3)
    last = net.step("conv0", 16384, "input")
    body = net.step("s1_conv1", 16384, last)
    body = net.step("s1_conv2", 16384, body)
    last = net.step("s1_add", 16384, last, body, distance=zero)
    for stage, size in ((2, 8192), (3, 4096)):
        body = net.step(f"s{stage}_conv1", size, last)
        body = net.step(f"s{stage}_conv2", size, body)
        skip = net.step(f"s{stage}_skip", size, last)
        last = net.step(f"s{stage}_add", size, skip, body, distance=zero)
    last = net.step("pool", 64, last)
    last = net.reshape("flat", last)
    last = net.step("fc", 10, last)
    return net.problem(net.step("softmax", 10, last))


def mobilenet_v2(*, side: int = 96, overlaps: bool = True) -> Problem:
    """Inverted residuals (Sandler et al. 2018, table 2), width 0.35: expand, depthwise, project."""
    net = Net(input=side * side * 3)

    def conv(name, size, *reads, distance):
        return net.step(name, size, *reads, distance=distance if overlaps else None)

    side //= 2
    channels = 16
    last = conv("stem", side * side * channels, "input", distance=None)
    stages = [(1, 8, 1, 1), (6, 8, 2, 2), (6, 16, 3, 2), (6, 24, 4, 2)]
    stages += [(6, 32, 3, 1), (6, 56, 3, 2), (6, 112, 1, 1)]
    for stage, (factor, wider, repeats, stride) in enumerate(stages):
        for k in range(repeats):
            step, entry, name = stride if k == 0 else 1, last, f"b{stage}_{k}"
            wide, pixels = factor * channels, side * side
            if factor > 1:
                growth = pixels * (wide - channels)
                last = conv(f"{name}_expand", pixels * wide, last, distance=growth + wide)
            row = side * wide
            side //= step
            last = conv(f"{name}_dw", side * side * wide, last, distance=2 * row)
            last = conv(f"{name}_project", side * side * wider, last, distance=wider)
            if step == 1 and channels == wider:
                last = conv(f"{name}_add", side * side * wider, last, entry, distance=0)
            channels = wider
    last = net.step("head", side * side * 1280, last)
    last = net.step("pool", 1280, last)
    return net.problem(net.step("fc", 2, last))


def inception(cells: int = 3) -> Problem:
    """Cells of four branches of uneven width, joined by a concatenation, in breadth-first order."""
    net = Net(input=4096)
    last = "input"
    for c in range(cells):
        heads = [
            net.step(f"c{c}_h{k}", size, last) for k, size in enumerate((6144, 3072, 2048, 4096))
        ]
        middles = [
            net.step(f"c{c}_m{k}", size, head)
            for k, (size, head) in enumerate(zip((1024, 2048, 512, 512), heads, strict=True))
        ]
        last = net.step(f"c{c}_join", 4096, *middles)
    return net.problem(net.step("fc", 10, last))


def wired(seed: int, steps: int, *, sizes=(64, 4096), reach=12, overlap=0.4) -> Problem:
    """A randomly wired network: every step reads one to three of the last `reach` buffers."""
    chance = random.Random(seed)
    net = Net(input=chance.randint(*sizes))
    made, unread = ["input"], ["input"]
    for k in range(steps):
        operands = chance.sample(made[-reach:], min(len(made[-reach:]), chance.randint(1, 3)))
        distance = tuple(
            chance.choice((0, 0, 16, -16, 256)) if chance.random() < overlap else None
            for _ in operands
        )
        scratch = chance.choice((0, 0, 0, 128))
        size = chance.randint(*sizes)
        made.append(net.step(f"t{k}", size, *operands, distance=distance, scratch=scratch))
        unread = [name for name in unread if name not in operands] + [made[-1]]
    return net.problem(*unread)


@st.composite
def problems(draw, *, max_buffers=8, max_size=24, alignments=(1, 2, 4), distances=(-6, 24)):
    """Any valid problem of that size: inputs, outputs, aliases, repeated operands, keeps."""
    inputs = draw(st.integers(1, min(2, max_buffers)))
    buffers, steps, aliases = [], [], []
    size = st.integers(1, max_size)
    alignment = st.sampled_from(alignments)
    for k in range(inputs):
        buffers.append(Buffer(f"in{k}", draw(size), draw(alignment)))
    while len(buffers) < max_buffers and (not steps or draw(st.integers(0, 9)) > 0):
        k = len(steps)
        names = [b.name for b in buffers]
        reads = tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)))
        written = []
        for j in range(draw(st.sampled_from((1, 1, 1, 2)))):
            if len(buffers) == max_buffers:
                break
            name = f"t{k}" if j == 0 else f"t{k}b"
            bytes_ = draw(size)
            if draw(st.integers(0, 5)) == 0:
                source = draw(st.sampled_from(reads))
                bytes_ = next(b.size_bytes for b in buffers if b.name == source)
                aliases.append(Alias(source, name))
            written.append(Buffer(name, bytes_, draw(alignment)))
        buffers += written
        overlaps = tuple(
            Overlap(read, new.name, draw(st.integers(*distances)))
            for read in reads
            for new in written
            if draw(st.booleans())
        )
        scratch = draw(st.sampled_from((0, 0, 0, 5)))
        writes = tuple(b.name for b in written)
        steps.append(Step(f"op{k}", reads, writes, scratch, overlaps, draw(alignment)))
    names = [b.name for b in buffers]
    outputs = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    keep = draw(st.lists(st.sampled_from(names), max_size=1))
    return Problem(
        tuple(buffers),
        tuple(steps),
        tuple(names[:inputs]),
        tuple(outputs),
        tuple(keep),
        tuple(aliases),
    )
