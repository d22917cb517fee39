"""TFLite Micro compiled for a RISC-V core and linked with the harness that Midge's C runs in."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.calibration_cmsis_nn import harness_header
from bench.tflm_riscv_sources import CORE_SOURCES, KERNEL_SOURCES, Sources
from midge import ToolError, processes
from midge.toolchain import ModelInterface, Program, build, find_compiler

CORE = "rv32imc"
CORE_LEVEL = "-Os"
"""Of the interpreter, as TFLite Micro's Makefile has it; its kernels are compiled at -O2."""
ARENA_BYTES = 160 * 1024

_OPERATORS = {
    "ad01": ("FullyConnected",),
    "kws01": ("Conv2D", "DepthwiseConv2D", "AveragePool2D", "Reshape", "FullyConnected", "Softmax"),
    "ic01": ("Conv2D", "Add", "AveragePool2D", "Reshape", "FullyConnected", "Softmax"),
}
_OPERATORS["vww01"] = _OPERATORS["kws01"]

# Those of targets/riscv32_generic_makefile.inc and of the Makefile's BUILD_TYPE=release.
_FLAGS = (
    "-std=c++17 -w -fno-rtti -fno-exceptions -fno-threadsafe-statics -fno-use-cxa-atexit "
    "-fno-unwind-tables -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections "
    "-fno-delete-null-pointer-checks -fomit-frame-pointer -fno-builtin-printf -funsigned-char "
    "-fno-stack-protector -DNDEBUG -DTF_LITE_STRIP_ERROR_STRINGS -DTF_LITE_STATIC_MEMORY "
    "-DTF_LITE_DISABLE_X86_NEON -DTF_LITE_MCU_DEBUG_LOG -DTF_LITE_USE_GLOBAL_CMATH_FUNCTIONS "
    "-DTF_LITE_USE_GLOBAL_MIN -DTF_LITE_USE_GLOBAL_MAX -DKERNELS_OPTIMIZED_FOR_SPEED"
)

_GLUE = """
#include <new>
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

extern "C" {
extern const unsigned char tflm_model[];
unsigned tflm_arena_used;
void tflm_setup(const void *arena);
signed char *tflm_input_data(void);
signed char *tflm_output_data(void);
int tflm_invoke(void);
}
using Resolver = tflite::MicroMutableOpResolver<@COUNT@>;
alignas(16) static unsigned char resolver_place[sizeof(Resolver)];
alignas(16) static unsigned char interpreter_place[sizeof(tflite::MicroInterpreter)];
static tflite::MicroInterpreter *interpreter;

/* Whoever runs it asks for its tensors first. */
void tflm_setup(const void *arena)
{
    if (interpreter != nullptr) { return; }
    Resolver *resolver = new (resolver_place) Resolver;
    @ADD@
    interpreter = new (interpreter_place) tflite::MicroInterpreter(
        tflite::GetModel(tflm_model), *resolver,
        static_cast<uint8_t *>(const_cast<void *>(arena)), @ARENA@);
    if (interpreter->AllocateTensors() != kTfLiteOk) { for (;;) { } }
    tflm_arena_used = interpreter->arena_used_bytes();
}
signed char *tflm_input_data(void) { return interpreter->input(0)->data.int8; }
signed char *tflm_output_data(void) { return interpreter->output(0)->data.int8; }
__attribute__((noinline)) int tflm_invoke(void)
{
    return interpreter->Invoke() != kTfLiteOk;
}
void operator delete(void *) noexcept {}
void operator delete(void *, decltype(sizeof 0)) noexcept {}
extern "C" void __cxa_pure_virtual(void) { for (;;) { } }
"""

_MODEL = """#include "tflm.h"
extern const unsigned char tflm_model[];
void tflm_setup(const void *arena);
int8_t *tflm_input_data(void);
int8_t *tflm_output_data(void);
int tflm_invoke(void);
void tflm_init(void *arena, void *state) { (void)state; tflm_setup(arena); }
int8_t *tflm_input(void *arena, uint32_t i)
{ tflm_setup(arena); (void)i; return tflm_input_data(); }
const int8_t *tflm_output(const void *arena, uint32_t i)
{ tflm_setup(arena); (void)i; return tflm_output_data(); }
enum midge_status tflm_run(void *arena, void *state)
{ (void)arena; (void)state; return (enum midge_status)tflm_invoke(); }
__attribute__((aligned(16))) const unsigned char tflm_model[] = {@BYTES@};
"""

# What a board's C library would give; only preparing calls it, which is not counted.
_LIBRARY = """#include <stddef.h>
#include <stdint.h>
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
double frexp(double x, int *exponent);
double floor(double x);
double round(double x);
double ldexp(double x, int exponent);
double exp(double x);
float expf(float x);
double log(double x);
double pow(double x, double y);
_Noreturn void abort(void);
size_t strlen(const char *text) { size_t n = 0; while (text[n]) { ++n; } return n; }
int strcmp(const char *a, const char *b)
{ while (*a && *a == *b) { ++a; ++b; } return (unsigned char)*a - (unsigned char)*b; }
int strncmp(const char *a, const char *b, size_t n)
{
    while (n && *a && *a == *b) { ++a; ++b; --n; }
    return n ? (unsigned char)*a - (unsigned char)*b : 0;
}
double frexp(double x, int *exponent)
{
    union { double value; uint64_t bits; } u = {x};
    const int biased = (int)(u.bits >> 52 & 0x7ff);
    *exponent = 0;
    if (biased == 0 || biased == 0x7ff) { return x; }
    *exponent = biased - 1022;
    u.bits = (u.bits & ~((uint64_t)0x7ff << 52)) | (uint64_t)1022 << 52;
    return u.value;
}
double floor(double x)
{ const double whole = (double)(int64_t)x; return whole > x ? whole - 1.0 : whole; }
double round(double x) { return x < 0.0 ? -floor(0.5 - x) : floor(x + 0.5); }
double ldexp(double x, int exponent)
{
    for (; exponent > 0; --exponent) { x *= 2.0; }
    for (; exponent < 0; ++exponent) { x *= 0.5; }
    return x;
}
_Noreturn void abort(void) { for (;;) { } }
/* Of float kernels, which are linked and never run. */
double exp(double x) { return x; }
float expf(float x) { return x; }
double log(double x) { return x; }
double pow(double x, double y) { (void)y; return x; }
"""


@dataclass(frozen=True)
class Tools:
    """A C++ compiler aimed at the core, and the C compiler that links what it makes.

    Attributes:
        kind: ``gcc`` or ``zig``.
        command: The compiler with its options for core and headers.
    """

    kind: str
    command: tuple[str, ...]


def find_tools(kind: str) -> Tools:
    """Find a C++ compiler with its headers.

    Raises:
        ToolError: it is not installed.
    """
    compiler = find_compiler(kind, CORE)
    if kind == "zig":
        # Of this system only headers are used: nothing of its libraries is linked.
        system = ("-target", "riscv32-linux-musl", "-mcpu=generic_rv32+m+c", "-mabi=ilp32")
        plain = ("-fno-pic", "-fno-sanitize=undefined")
        return Tools(kind, (compiler.command[0], "c++", *system, *plain))
    program = compiler.command[0].replace("-gcc", "-g++")
    arch = ("-march=rv32imc", "-mabi=ilp32", "-mcmodel=medany", "-mexplicit-relocs")
    return Tools(kind, (program, *arch, "-nostdinc++", *_library_headers()))


def _library_headers() -> tuple[str, ...]:
    """Options that name the headers of the Arm toolchain's newlib.

    Distributions ship none for RISC-V; these are of the same release and, but for sizes of types
    that both have in common, say nothing about a core.
    """
    program = shutil.which("arm-none-eabi-g++")
    if program is None:
        raise ToolError(
            "arm-none-eabi-g++: not found on PATH; its C++ headers serve "
            "riscv64-unknown-elf-g++, which comes without. apt-get install gcc-arm-none-eabi, or "
            "choose --cc zig"
        )
    done = processes.run((program, "-E", "-v", "-x", "c++", "-"), input=b"", timeout_s=60)
    listed = re.search(r"<\.\.\.> search starts here:\n(.*?)End of search", done.stderr_text, re.S)
    folders = [Path(line.strip()).resolve() for line in listed[1].splitlines()] if listed else []
    # The compiler's own stddef.h and its like stay those of the RISC-V compiler.
    kept = [folder for folder in folders if "newlib" in folder.parts or "c++" in folder.parts]
    return tuple(word for folder in kept for word in ("-isystem", str(folder)))


def compile_tflm(
    tools: Tools, sources: Sources, kernel_level: str, cache: Path, advance: Callable[[str], None]
) -> dict[str, bytes]:
    """Compile the interpreter and the kernels, unless the cache has them.

    Args:
        tools: From `find_tools`.
        sources: From `find_sources`.
        kernel_level: Level of optimisation for the kernels.
        cache: Folder for object files.
        advance: Called with the name of each file that is there.

    Returns:
        Object files by name.

    Raises:
        ToolError: the compiler failed.
    """
    levels = dict.fromkeys(CORE_SOURCES, CORE_LEVEL)
    levels |= dict.fromkeys(KERNEL_SOURCES, kernel_level)
    objects = {}
    for name, level in levels.items():
        # What an object depends on; the sources are at one commit.
        key = repr((find_compiler(tools.kind, CORE).version, tools.command, _FLAGS, level, name))
        kept = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.o"
        if not kept.is_file():
            cache.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(_compile(tools, sources, sources.tflm / name, level))
        objects[f"tflm_{len(objects)}.o"] = kept.read_bytes()
        advance(f"{tools.kind} {level} {Path(name).name}")
    return objects


def link_network(
    tools: Tools,
    sources: Sources,
    compiled: dict[str, bytes],
    network: str,
    model: bytes,
    sizes: tuple[int, int],
) -> Program:
    """One network with the operators that it needs, and no others.

    Args:
        tools: From `find_tools`.
        sources: From `find_sources`.
        compiled: From `compile_tflm`.
        network: Its short name.
        model: The .tflite file.
        sizes: Bytes of its input and output.

    Raises:
        ToolError: the compiler or linker failed.
    """
    operators = _OPERATORS[network]
    glue = _GLUE.replace("@COUNT@", str(len(operators))).replace("@ARENA@", str(ARENA_BYTES))
    glue = glue.replace("@ADD@", " ".join(f"resolver->Add{name}();" for name in operators))
    with tempfile.TemporaryDirectory(prefix="midge-") as folder:
        path = Path(folder) / "glue.cc"
        path.write_text(glue, "utf-8")
        objects = compiled | {"glue.o": _compile(tools, sources, path, CORE_LEVEL)}
    files = {
        "tflm.h": harness_header("tflm", ARENA_BYTES),
        "tflm.c": _MODEL.replace("@BYTES@", ",".join(map(str, model))),
        "library.c": _LIBRARY,
    }
    interface = ModelInterface("tflm", (sizes[0],), (sizes[1],), ("tflm_invoke",))
    compiler = find_compiler(tools.kind, CORE)
    return build(compiler, files, interface, timeout_s=900, objects=objects)


def _compile(tools: Tools, sources: Sources, path: Path, level: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="midge-") as folder:
        output = Path(folder) / "out.o"
        command = [
            *tools.command,
            *_FLAGS.split(),
            *sources.includes,
            level,
            "-c",
            path,
            "-o",
            output,
        ]
        environment = find_compiler(tools.kind, CORE).environment_in(Path(folder))
        done = processes.run(command, timeout_s=900, cwd=Path(folder), env=environment)
        if done.returncode:
            complaint = "\n".join(done.stderr_text.strip().splitlines()[:20])
            raise ToolError(f"{tools.kind} failed while compiling {path}:\n{complaint}")
        return output.read_bytes()
