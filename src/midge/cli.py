"""The command line: a thin skin on the Python API."""

from __future__ import annotations

import argparse
import functools
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from midge import commands
from midge.adapt.benchmark import PROTOCOLS
from midge.compress.settings import ACTIVATIONS, OBSERVERS, WEIGHTS
from midge.driver.goals import GOALS
from midge.errors import MidgeError, UserError
from midge.version import VERSION
from midge.virtual_mcu import EMULATORS

_C_LEVELS = ("0", "1", "2", "3", "s", "z")


class _Parser(argparse.ArgumentParser):
    """Complains as everything else does: one message, no usage before it."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")


@functools.cache
def parser() -> argparse.ArgumentParser:
    """The whole command line.

    Its `parse_args` raises UserError where the arguments are wrong.
    """
    top = _Parser(
        prog="midge",
        description="Micro-sized neural networks as plain C, run on a virtual microcontroller.",
    )
    top.add_argument("--version", action="version", version=f"midge {VERSION}")
    commands_ = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    targets = commands_.add_parser("targets", help="list cores and boards")
    targets.add_argument("--json", metavar="FILE", help="write them as JSON; - for standard output")
    targets.set_defaults(run=commands.targets)

    ops = commands_.add_parser("ops", help="list operators: types, kernels, what is missing")
    ops.add_argument("--json", metavar="FILE", help="write them as JSON; - for standard output")
    ops.add_argument("--markdown", metavar="FILE", help="write the page of the documentation")
    ops.set_defaults(run=commands.ops)

    compile_ = commands_.add_parser("compile", help="a model file to a C library and a report")
    _add_compile_options(compile_)
    compile_.add_argument("--out", required=True, metavar="DIR", help="folder to write to")
    _add_feed_rows(compile_)
    _add_budget_options(compile_)
    compile_.set_defaults(run=commands.compile_model)

    _add_quantize(commands_.add_parser("quantize", help="a float model and samples to integers"))
    _add_inspect(commands_.add_parser("inspect", help="what quantisation cost a model, and where"))

    run = commands_.add_parser("run", help="run a model on the virtual microcontroller")
    _add_compile_options(run)
    _add_feed_rows(run)
    run.add_argument("--input", metavar="FILE", help=".npy (one input) or .npz by tensor name")
    run.add_argument("--output", metavar="FILE", help="write the outputs in the same form")
    run.add_argument("--json", metavar="FILE", help="write what it cost; - for standard output")
    run.add_argument(
        "--compare-layers", action="store_true", help="hold every layer against the interpreter"
    )
    run.set_defaults(run=commands.run_model)

    show = commands_.add_parser("show", help="the graph as text, its memory as a picture")
    show.add_argument("model")
    show.add_argument("--target", default="cortex-m4", help="whose kernels to plan for")
    show.add_argument("--name", help="name of the graph")
    show.add_argument("--keep-input", action="store_true", help="inputs survive a run")
    show.set_defaults(run=commands.show)

    selftest = commands_.add_parser("selftest", help="a main.c that checks and times a real board")
    _add_compile_options(selftest)
    selftest.add_argument("--out", required=True, metavar="DIR", help="folder to write to")
    selftest.set_defaults(run=commands.selftest)

    _add_recipe(commands_.add_parser("recipe", help="whole applications: learn, compile, report"))
    _add_adapt(commands_.add_parser("adapt", help="a small model that learns from its own stream"))
    return top


def _add_quantize(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help="a .onnx, .pt2 (torch.export), .tflite or .midge file")
    command.add_argument(
        *("--calibrate", "--calibration"),
        required=True,
        metavar="FILE",
        help="samples like those it will meet: .npy [N, ...] or .npz by input's name",
    )
    command.add_argument("--labels", metavar="FILE", help="their classes: .npy of integers [N]")
    command.add_argument("--evaluate", metavar="FILE", help="other samples for the figures")
    command.add_argument("--evaluate-labels", metavar="FILE", help="their classes")
    command.add_argument("--out", required=True, metavar="FILE", help="the .midge file to write")
    command.add_argument("--weights", default="int8", choices=tuple(WEIGHTS))
    command.add_argument("--activations", default="int8", choices=tuple(ACTIVATIONS))
    command.add_argument("--observer", default=OBSERVERS[0], choices=OBSERVERS)
    command.add_argument("--no-equalization", action="store_true")
    command.add_argument("--no-bias-correction", action="store_true")
    command.add_argument(
        "--keep-float", action="append", default=[], metavar="LAYER", help="leave it in float32"
    )
    command.add_argument(
        "--allow-float", action="store_true", help="operators without an integer form stay float32"
    )
    command.add_argument(
        "--quick", action="store_true", help="leave out what each layer costs and would give back"
    )
    command.add_argument("--target", help="compare the emulated device too: see `midge targets`")
    _add_report_options(command)
    command.set_defaults(run=commands.quantize_model)


def _add_inspect(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help="a quantised model: .midge, .tflite or .onnx")
    command.add_argument("--evaluate", required=True, metavar="FILE", help=".npy [N, ...] or .npz")
    command.add_argument("--labels", metavar="FILE", help="their classes: .npy of integers [N]")
    command.add_argument("--reference", metavar="MODEL", help="the float model that it came from")
    _add_report_options(command)
    command.set_defaults(run=commands.inspect_model)


def _add_recipe(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="which there are").set_defaults(run=commands.list_recipes)
    run = actions.add_parser("run", help="all stages of one, from where the last run stopped")
    run.add_argument("name", help="see `midge recipe list`")
    run.add_argument(
        "--data", metavar="DIR", help="recordings; default: MIDGE_DATA's, else fetched or made up"
    )
    run.add_argument("--target", default="nrf52840", help="a board: see `midge targets`")
    run.add_argument("--out", required=True, metavar="DIR", help="folder of the run")
    run.add_argument("--seed", type=_whole_number, default=0, help="of everything random")
    run.add_argument(
        "--records-on-device",
        type=_count,
        default=4,
        metavar="N",
        help="recordings that the emulated device takes; its twin takes the others",
    )
    run.add_argument(
        "--quick", action="store_true", help="little data, short training: figures mean nothing"
    )
    run.set_defaults(run=commands.run_recipe)


def _add_adapt(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    run = actions.add_parser(
        "run", help="one pass over a recorded stream: forecasts, flags, regimes"
    )
    run.add_argument("--data", required=True, metavar="CSV", help="one sample a row")
    run.add_argument("--columns", metavar="NAMES", help="with commas between; default: all numbers")
    run.add_argument("--horizon", type=_count, default=10, metavar="N", help="samples ahead")
    run.add_argument("--ram", default="8 KB", metavar="SIZE", help="what its state may take")
    run.add_argument("--plot", metavar="FILE", help="write a page with pictures")
    run.add_argument("--json", metavar="FILE", help="write the figures; - for standard output")
    run.set_defaults(run=commands.adapt_run)
    bench = actions.add_parser("benchmark", help="the learner against others on public streams")
    bench.add_argument(
        "--only", action="append", choices=PROTOCOLS, help="repeat for several; default: all"
    )
    bench.add_argument("--data", metavar="DIR", help="the streams; default: MIDGE_DATA's")
    bench.add_argument("--out", required=True, metavar="DIR", help="for adapt.json and adapt.md")
    bench.add_argument("--plot", metavar="FILE", help="write a page with pictures")
    bench.add_argument(
        "--quick", action="store_true", help="little data, own baselines: figures mean nothing"
    )
    bench.add_argument(
        "--keep", action="store_true", help="leave river's figures in DIR as they are"
    )
    bench.set_defaults(run=commands.adapt_benchmark)


def _whole_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 31:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 on, found {text!r}")
    return int(text)


def _count(text: str) -> int:
    number = _whole_number(text)
    if not number:
        raise argparse.ArgumentTypeError("expected at least 1, found 0")
    return number


def _add_report_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", metavar="FILE", help="write the report; - for standard output")
    command.add_argument("--html", metavar="FILE", help="write the report as a page with pictures")


def _add_budget_options(command: argparse.ArgumentParser) -> None:
    budget = command.add_argument_group("budget", "what it may take at most; else it is refused")
    budget.add_argument("--ram", metavar="SIZE", help="such as 32k; the stack counts")
    budget.add_argument("--flash", metavar="SIZE", help="such as 128k; code and weights")
    budget.add_argument("--latency", metavar="TIME", help="of one inference, such as 20ms")
    budget.add_argument("--energy", metavar="ENERGY", help="of one inference, such as 50uJ")


def _add_feed_rows(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--feed-rows",
        action="store_true",
        help="the application hands in the input row by row; it takes no place in the arena",
    )


def _add_compile_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help="a .midge, .tflite, .onnx or .pt2 file")
    command.add_argument(
        "--target", default="cortex-m4", help="a core or board: see `midge targets`"
    )
    command.add_argument("--name", help="prefix of the emitted C; default: from the file's name")
    command.add_argument("--cc", default="zig", choices=("zig", "gcc"), help="C compiler")
    command.add_argument(
        "--c-level",
        choices=_C_LEVELS,
        help="its -O level; default: 2, or s where the code must be small for --optimize",
    )
    command.add_argument(
        "--emulator", choices=EMULATORS, help="default: the first that has the core"
    )
    command.add_argument("--keep-input", action="store_true", help="inputs survive a run")
    command.add_argument(
        "--optimize",
        default=GOALS[0],
        choices=GOALS,
        help="what kernels are chosen for; default: balanced, the fastest of moderate size",
    )
    command.add_argument(
        "--no-measure",
        action="store_true",
        help="choose kernels by rule instead of running each candidate on the virtual core",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0, or the exit code of the error: 2 for the user's, 3 for a tool's, 4 for Midge's own; 1
        where `--compare-layers` found a difference.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that has no character for a bar shows a question mark instead of failing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        options = parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = options.run
        return command(options)
    except MidgeError as error:
        print(f"midge: error: {_visible(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("midge: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has left; nobody is there to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # the last line before a user
        if os.environ.get("MIDGE_DEBUG"):
            traceback.print_exc()
        print(
            f"midge: internal error: {type(error).__name__}: {_visible(str(error))}. This is a "
            "defect of Midge: "
            "please report it with the model; MIDGE_DEBUG=1 shows where",
            file=sys.stderr,
        )
        return 4


def _visible(text: str) -> str:
    """Names come from strangers' files: what a terminal would obey instead of show is spelt out."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )


if __name__ == "__main__":
    sys.exit(main())
