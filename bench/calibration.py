"""How far the models are from silicon: run code whose cycles are published, and compare.

::

    python bench/calibration.py --bakenn ENV/bin/python --cmsis-nn FOLDER --coremark FOLDER

Each option adds its checks; none is needed by Midge itself.

- ``--bakenn``: the interpreter of an environment with bakenn 1.0.0 (and torch). Five networks that
  its repository publishes nRF52840 cycles for, as it writes them.
- ``--cmsis-nn``: a checkout of CMSIS-NN (4ab83cc3). The four MLPerf Tiny networks, to compare with
  microTVM + CMSIS-NN on the STM32L4R5 (MLPerf Tiny v1.0).
- ``--coremark``: a checkout of eembc/coremark. Its workload, unmodified, against the scores of the
  cores' vendors. What is printed is a model's estimate, not a CoreMark score.

Everything is built by ``arm-none-eabi-gcc`` and ``riscv64-unknown-elf-gcc``. The result goes to
``bench/results/calibration.json`` and ``.md``; ``docs/cycle-models.md`` discusses it.
"""

from __future__ import annotations

import argparse
import json
import re
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from calibration_cmsis_nn import NETWORKS, emit, harness_header

from midge import processes
from midge.toolchain import ModelInterface, build, find_compiler
from midge.virtual_mcu import Cycles, layer_cycles, open_machine, target, total_cycles

RESULTS = Path(__file__).parent / "results"

# Cycles on an nRF52840 at 64 MHz: median of 101 inferences after 8, GCC 10.3 -O2, Zephyr 2.7.5.
BAKENN = {
    "fc_portable": (8706, "experiment 447626, output -5 -4 -4 -4", (-5, -4, -4, -4)),
    "fc_cmsis_nn": (3786, "experiment 447626, output -5 -4 -4 -4", (-5, -4, -4, -4)),
    "smoke_portable": (8508, "experiment 447609, output -8 10 -15 3", (-8, 10, -15, 3)),
    "smoke_smlad": (8872, "experiment 447609, output -8 10 -15 3", (-8, 10, -15, 3)),
    "conv_portable": (24610, "experiment 447609, outputs all 1", (1,) * 32),
}
# microTVM + CMSIS-NN on the NUCLEO-L4R5ZI at 120 MHz, median latency in ms, and the instructions of
# TFLite Micro + CMSIS-NN (GCC 12, kernels -O2) counted by QEMU, softmax and interpreter included.
MLPERF = {
    "ad01": (8.60, 583_000),
    "kws01": (99.8, 7_697_920),
    "vww01": (301.2, 24_101_960),
    "ic01": (389.6, 29_864_160),
}
# Scores per MHz: Arm's product tables; Espressif's data sheets; the Hazard3 Readme.
COREMARK = {
    "cortex-m0plus": 2.46,
    "cortex-m3": 3.34,
    "cortex-m4": 3.42,
    "cortex-m7": 5.01,
    "cortex-m33": 4.02,
    "rv32imc": 2.55,
    "rv32imac": 2.76,
    "hazard3": 3.74,
}
_IGNORED = (
    "pragmas attributes conversion sign-conversion extra unused-parameter pedantic sign-compare "
    "unused-function discarded-qualifiers int-conversion unused-variable unused-but-set-variable"
)
_RELAXED = "".join(f'#pragma GCC diagnostic ignored "-W{name}"\n' for name in _IGNORED.split())
# A freestanding build turns every four-byte memcpy into a call; a board's build does not.
_BUILTIN_MEMORY = (
    "#include <string.h>\n#define memcpy __builtin_memcpy\n#define memset __builtin_memset\n"
    "#define BAKENN_CMSIS_NN_BUILTIN_MEMORY 1\n"
)


@dataclass(frozen=True)
class Row:
    """One check: what was published, and what the models say."""

    check: str
    target: str
    published: float
    unit: str
    source: str
    instructions: int
    zero_wait: int
    modelled: int | None
    estimate: float
    published_instructions: int | None = None

    @property
    def error_percent(self) -> float:
        """How much more the models say than was published, in per cent."""
        return 100 * (self.estimate / self.published - 1)


def relaxed_sources(paths: Iterator[Path], prefix: str = "") -> dict[str, str]:
    """Foreign C by file name: warnings off, include paths flat."""
    sources = {}
    for path in paths:
        text = re.sub(r'#include "(?:[^"]*/)?([^"/]+)"', r'#include "\1"', path.read_text())
        sources[path.name] = _RELAXED + prefix + text if path.suffix == ".c" else text
    return sources


def bakenn_rows(interpreter: str) -> Iterator[Row]:
    """The networks of bakenn's repository on the nRF52840."""
    board = target("nrf52840")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(__file__).parent / "calibration_bakenn.py"
        done = processes.run([interpreter, str(script), folder], timeout_s=300)
        if done.returncode:
            raise SystemExit(f"bakenn failed:\n{done.stderr_text}")
        for name, (published, source, expected) in BAKENN.items():
            files = (p for p in (Path(folder) / name).rglob("*") if p.suffix in {".c", ".h"})
            sources = relaxed_sources(files, _BUILTIN_MEMORY if "cmsis" in name else "")
            sizes = {
                key: int(re.search(rf"#define BKNN_NET_{key} (-?\d+)", sources["bknn_net.h"])[1])
                for key in ("INPUT_SIZE", "OUTPUT_SIZE", "ARENA_SIZE", "INPUT_ZERO_POINT")
            }
            sources |= _bakenn_harness(sizes)
            interface = ModelInterface(
                name="fc",
                input_bytes=(sizes["INPUT_SIZE"],),
                output_bytes=(sizes["OUTPUT_SIZE"],),
                layers=("fc_first", "fc_again"),
            )
            program = build(find_compiler("gcc", "cortex-m4"), sources, interface)
            sample = struct.pack("b", sizes["INPUT_ZERO_POINT"]) * sizes["INPUT_SIZE"]
            inference, trace = open_machine(program).trace((sample,), flash=board.flash)
            outputs = struct.unpack(f"{len(expected)}b", inference.outputs[0])
            if outputs != expected:
                raise SystemExit(f"{name}: outputs {outputs}, on the board {expected}")
            # The published runs are warm: the second call counts.
            cycles = layer_cycles(board, trace, program.read)[1]
            yield Row(
                f"bakenn {name}",
                board.name,
                published,
                "cycles",
                f"bakenn repository, {source}",
                trace.layer_instructions[1],
                cycles.zero_wait,
                cycles.modelled,
                cycles.modelled,
            )


def _bakenn_harness(sizes: dict[str, int]) -> dict[str, str]:
    output = (sizes["INPUT_SIZE"] + 15) // 16 * 16
    arena = output + (sizes["OUTPUT_SIZE"] + 15) // 16 * 16
    call = f"bknn_net_infer(a + {arena}, (const int8_t *)a, (int8_t *)(a + {output}));"
    barrier = '__asm__ volatile("{}" ::: "memory");'
    return {
        "fc.h": harness_header("fc", arena + sizes["ARENA_SIZE"] + 64),
        "fc.c": f"""#include "fc.h"
#include "bknn_net.h"
void fc_init(void *arena, void *state) {{ (void)arena; (void)state; }}
int8_t *fc_input(void *arena, uint32_t i) {{ (void)i; return arena; }}
const int8_t *fc_output(const void *arena, uint32_t i)
{{ (void)i; return (const int8_t *)arena + {output}; }}
__attribute__((noinline)) static void fc_first(uint8_t *a) {{ {call} {barrier.format("")} }}
__attribute__((noinline)) static void fc_again(uint8_t *a) {{ {call} {barrier.format("nop")} }}
enum midge_status fc_run(void *arena, void *state)
{{ (void)state; fc_first(arena); fc_again(arena); return MIDGE_OK; }}
""",
    }


def mlperf_rows(checkout: Path) -> Iterator[Row]:
    """The four MLPerf Tiny networks by CMSIS-NN on the STM32L4R5."""
    board = target("stm32l4r5zi")
    library = [*checkout.glob("Include/**/*.h"), *checkout.glob("Source/**/*.[ch]")]
    foreign = re.compile(
        r"f16|f32|_flt|(?<!to)(?<!s8)_s16|_s4|lstm|svdf|transpose_conv|batch_matmul"
    )
    wanted = (p for p in library if p.suffix == ".h" or not foreign.search(p.name))
    sources = relaxed_sources(wanted, _BUILTIN_MEMORY)
    for name, (latency_ms, instructions) in MLPERF.items():
        network = emit(NETWORKS[name]())
        interface = ModelInterface(
            name="net",
            input_bytes=(network.input_bytes,),
            output_bytes=(network.output_bytes,),
            layers=network.layers,
        )
        files = sources | {"net.h": network.header, "net.c": _RELAXED + network.source}
        program = build(find_compiler("gcc", "cortex-m4"), files, interface)
        sample = bytes(range(256)) * (network.input_bytes // 256 + 1)
        _, trace = open_machine(program).trace((sample[: network.input_bytes],), flash=board.flash)
        cycles = total_cycles(layer_cycles(board, trace, program.read))
        yield Row(
            f"CMSIS-NN {name}",
            board.name,
            latency_ms * board.clock_hz / 1000,
            "cycles",
            "MLPerf Tiny v1.0, microTVM + CMSIS-NN",
            trace.instructions,
            cycles.zero_wait,
            cycles.modelled,
            cycles.modelled,
            published_instructions=instructions,
        )


def coremark_rows(checkout: Path) -> Iterator[Row]:
    """The CoreMark workload on every core with a cycle model, zero wait states."""
    names = ["core_list_join.c", "core_main.c", "core_matrix.c", "core_state.c", "core_util.c"]
    foreign = relaxed_sources(checkout / name for name in [*names, "coremark.h"])
    interface = ModelInterface(
        name="cm", input_bytes=(4,), output_bytes=(4,), layers=("cm_one", "cm_three")
    )
    for core, published in COREMARK.items():
        chosen = target(core)
        program = build(
            find_compiler("gcc", core), foreign | _coremark_port(), interface, optimisation="-O3"
        )
        _, trace = open_machine(program).trace((bytes(4),))
        layers = layer_cycles(chosen, trace, program.read)
        # Three iterations less one: set-up and the check of the results drop out.
        cycles = Cycles((layers[1].zero_wait - layers[0].zero_wait) // 2, None)
        issued = trace.layer_instructions[1] - trace.layer_instructions[0]
        yield Row(
            "CoreMark workload",
            core,
            published,
            "iterations per million cycles",
            "vendor's score per MHz, its own compiler and flags",
            issued // 2,
            cycles.zero_wait,
            None,
            round(1e6 / cycles.zero_wait, 3),
        )


def _coremark_port() -> dict[str, str]:
    """The porting layer that the benchmark asks its user to write: no clock, no printing."""
    header = """#ifndef CORE_PORTME_H
#define CORE_PORTME_H
#include <stddef.h>
#include <stdint.h>
#define HAS_FLOAT 0
#define HAS_PRINTF 0
#define HAS_STDIO 0
#define HAS_TIME_H 0
#define USE_CLOCK 0
#define COMPILER_VERSION ""
#define COMPILER_FLAGS ""
#define MEM_LOCATION "STACK"
typedef int16_t ee_s16; typedef uint16_t ee_u16; typedef int32_t ee_s32;
typedef uint8_t ee_u8; typedef uint32_t ee_u32; typedef uintptr_t ee_ptr_int;
typedef size_t ee_size_t; typedef ee_u32 CORE_TICKS;
#define align_mem(x) (void *)(4 + (((ee_ptr_int)(x)-1) & ~(ee_ptr_int)3))
#define SEED_METHOD SEED_VOLATILE
#define MEM_METHOD MEM_STACK
#define MULTITHREAD 1
#define MAIN_HAS_NOARGC 1
#define MAIN_HAS_NORETURN 1
#define PERFORMANCE_RUN 1
extern ee_u32 default_num_contexts;
typedef struct CORE_PORTABLE_S { ee_u8 portable_id; } core_portable;
void portable_init(core_portable *p, int *argc, char *argv[]);
void portable_fini(core_portable *p);
int ee_printf(const char *format, ...);
#define main coremark_main
#endif
"""
    port = """#include "coremark.h"
volatile ee_s32 seed1_volatile = 0, seed2_volatile = 0, seed3_volatile = 0x66;
volatile ee_s32 seed4_volatile, seed5_volatile = 0;
ee_u32 default_num_contexts = 1;
void portable_init(core_portable *p, int *argc, char *argv[])
{ (void)argc; (void)argv; p->portable_id = 1; }
void portable_fini(core_portable *p) { p->portable_id = 0; }
void start_time(void) { }
void stop_time(void) { }
CORE_TICKS get_time(void) { return 100; }
secs_ret time_in_secs(CORE_TICKS ticks) { (void)ticks; return 11; }
int ee_printf(const char *format, ...) { (void)format; return 0; }
"""
    model = """#include "cm.h"
extern volatile int32_t seed4_volatile;
void coremark_main(void);
void cm_init(void *arena, void *state) { (void)arena; (void)state; }
int8_t *cm_input(void *arena, uint32_t i) { (void)i; return arena; }
const int8_t *cm_output(const void *arena, uint32_t i) { (void)i; return arena; }
__attribute__((noinline)) static void cm_one(void)
{ seed4_volatile = 1; coremark_main(); __asm__ volatile("" ::: "memory"); }
__attribute__((noinline)) static void cm_three(void)
{ seed4_volatile = 3; coremark_main(); __asm__ volatile("nop" ::: "memory"); }
enum midge_status cm_run(void *arena, void *state)
{ (void)arena; (void)state; cm_one(); cm_three(); return MIDGE_OK; }
"""
    return {
        "core_portme.h": header,
        "core_portme.c": _RELAXED + port,
        "cm.h": harness_header("cm", 64),
        "cm.c": _RELAXED + model,
    }


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| check | target | instructions | zero wait | modelled | published | error |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        modelled = "-" if row.modelled is None else f"{row.modelled:,}"
        published = f"{row.published:,.0f}" if row.unit == "cycles" else f"{row.published} /MHz"
        lines.append(
            f"| {row.check} | {row.target} | {row.instructions:,} | {row.zero_wait:,} | {modelled} "
            f"| {published} | {row.error_percent:+.1f} % |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the checks that were asked for."""
    parser = argparse.ArgumentParser(description="Check the cycle models against silicon.")
    parser.add_argument("--bakenn", metavar="PYTHON", help="interpreter with bakenn 1.0.0")
    parser.add_argument("--cmsis-nn", metavar="FOLDER", type=Path, help="checkout of CMSIS-NN")
    parser.add_argument("--coremark", metavar="FOLDER", type=Path, help="checkout of CoreMark")
    parser.add_argument("--output", metavar="FOLDER", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    rows: list[Row] = []
    if arguments.bakenn:
        rows += bakenn_rows(arguments.bakenn)
    if arguments.cmsis_nn:
        rows += mlperf_rows(arguments.cmsis_nn)
    if arguments.coremark:
        rows += coremark_rows(arguments.coremark)
    if not rows:
        parser.error("nothing to do: give --bakenn, --cmsis-nn or --coremark")
    text = table(rows)
    print(text, end="")
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "calibration.md").write_text(text)
    listed = [asdict(row) | {"error_percent": round(row.error_percent, 2)} for row in rows]
    (arguments.output / "calibration.json").write_text(json.dumps(listed, indent=2) + "\n")


if __name__ == "__main__":
    main()
