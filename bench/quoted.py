"""Figures of others that no script here produces: quoted, each with its source.

Instruction counts under QEMU are exact and repeatable, as Midge's are; latencies are of silicon,
with flash wait states, as their makers submitted them.
"""

from __future__ import annotations

from dataclasses import dataclass

NETWORKS = ("ad01", "kws01", "vww01", "ic01")
"""The order of the figures in every row here."""

Four = tuple[float | None, float | None, float | None, float | None]

COUNTED = (
    "counted once for this project with QEMU 7.2, outputs equal to the golden files; TFLite Micro "
    "90b983c2, its core -Os, kernels -O2, int8 operators only"
)
MLPERF = "MLPerf Tiny, median latency, as submitted (mlcommons.org/benchmarks/inference-tiny)"


@dataclass(frozen=True)
class QuotedCount:
    """Instructions of one inference.

    Attributes:
        core: Where.
        software: What ran, with its version.
        compiler: What built it.
        instructions: By network; None where it does not run.
        remark: What has to be known to compare.
        source: Who says so.
    """

    core: str
    software: str
    compiler: str
    instructions: Four
    remark: str = ""
    source: str = COUNTED

    def of(self, network: str) -> int | None:
        """Of one network."""
        found = self.instructions[NETWORKS.index(network)]
        return None if found is None else int(found)


@dataclass(frozen=True)
class QuotedSize:
    """Bytes of TFLite Micro on the Cortex-M4."""

    arena: int
    stack: int
    code: int
    model: int

    @property
    def ram(self) -> int:
        """Arena and stack."""
        return self.arena + self.stack

    @property
    def flash(self) -> int:
        """Code and model file."""
        return self.code + self.model


@dataclass(frozen=True)
class QuotedLatency:
    """Milliseconds of one inference on a board.

    Attributes:
        board: Midge's name of it.
        software: What ran.
        milliseconds: By network.
    """

    board: str
    software: str
    milliseconds: Four


GCC = "arm-none-eabi-gcc 12.2"
CMSIS_NN = "TFLite Micro + CMSIS-NN 4ab83cc3"
REFERENCE = "TFLite Micro, reference kernels"

COUNTS = (
    QuotedCount("cortex-m0plus", CMSIS_NN, GCC, (1_763_000, 28_997_000, 86_904_000, 97_559_000)),
    QuotedCount("cortex-m0plus", REFERENCE, GCC, (3_410_000, 72_040_000, 164_440_000, 169_410_000)),
    QuotedCount("cortex-m4", CMSIS_NN, GCC, (583_000, 7_697_920, 24_101_960, 29_864_160)),
    QuotedCount("cortex-m4", REFERENCE, GCC, (1_952_480, 43_040_120, 100_249_560, 107_401_520)),
    QuotedCount(
        "cortex-m4",
        "TinyEngine 47bb283c",
        GCC,
        (770_000, None, 19_700_000, None),
        "wrong outputs on vww01, not bit-exact on ad01; ic01 does not link, kws01 not supported",
        "counted once for this project with QEMU 7.2",
    ),
    QuotedCount(
        "cortex-m4",
        "onnx2c ea045cc1",
        GCC,
        (1_300_000, 19_900_000, 54_100_000, 116_000_000),
        "float",
        "counted once for this project with QEMU 7.2",
    ),
    QuotedCount("cortex-m7", CMSIS_NN, GCC, (583_280, 7_643_680, 24_025_600, 30_027_040)),
    QuotedCount(
        "cortex-m55", CMSIS_NN, "clang 19", (120_312, 1_758_000, 6_336_000, 4_647_000), "Helium"
    ),
    QuotedCount("cortex-m55", CMSIS_NN, GCC, (285_594, 1_814_342, 6_558_745, 4_912_809), "Helium"),
)

M4_SIZES = {
    "ad01": QuotedSize(arena=2_580, stack=748, code=27_460, model=276_976),
    "kws01": QuotedSize(arena=22_820, stack=1_244, code=52_796, model=53_936),
    "vww01": QuotedSize(arena=100_708, stack=1_244, code=52_796, model=333_288),
    "ic01": QuotedSize(arena=54_996, stack=1_244, code=50_568, model=98_496),
}
"""TFLite Micro + CMSIS-NN on the Cortex-M4, built and counted as `COUNTED` says."""

LATENCIES = (
    QuotedLatency(
        "stm32l4r5zi", "TFLite Micro 2.3 + CMSIS-NN (v0.5)", (10.05, 181.9, 600.6, 704.2)
    ),
    QuotedLatency("stm32l4r5zi", "microTVM + CMSIS-NN (v1.0)", (8.60, 99.8, 301.2, 389.6)),
    QuotedLatency("stm32l4r5zi", "Bosch HALE (v1.2)", (4.73, 60.2, 180.5, 180.5)),
    QuotedLatency("stm32l4r5zi", "Plumerai (v1.1)", (4.05, 47.8, 98.8, 167.8)),
    QuotedLatency("stm32l4r5zi", "X-CUBE-AI 9.0 (v1.2)", (5.26, 43.2, 88.9, 165.1)),
    QuotedLatency("stm32f746", "Plumerai (v1.1)", (1.71, 17.8, 34.1, 62.9)),
)
"""Boards of `BOARDS` that somebody submitted."""

# The largest live set in file order: what a planner without overlaps cannot go below.
LIVE_SETS = {"ad01": 768, "kws01": 16_000, "vww01": 55_296, "ic01": 49_152}
M4_INSTRUCTIONS = {name: COUNTS[2].of(name) or 0 for name in NETWORKS}
