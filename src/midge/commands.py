"""What each command does with its options: read, call the API, write."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from midge.adapt import watch
from midge.adapt.benchmark import PROTOCOLS
from midge.adapt.benchmark.pictures import benchmark_page
from midge.adapt.benchmark.run import read_before, run_benchmark
from midge.adapt.benchmark.tables import markdown
from midge.adapt.engine import TWIN
from midge.adapt.stream_csv import read_csv
from midge.c_emitter import choose_kernels
from midge.compress import Report, inspect, take_samples
from midge.compress.pictures import pictures_of
from midge.driver import Artifact, compare_layers, compile_graph, load
from midge.driver.budget import Budget, check_budget
from midge.driver.compare_layers import FED_LAYERS
from midge.driver.learner_host import fastest_engine
from midge.driver.main_path import plan_graph
from midge.driver.operators import operators_report
from midge.driver.quantize import float_graph, quantize
from midge.driver.report_data import report_of
from midge.driver.selftest import selftest_files
from midge.errors import UserError
from midge.files import check_free, read_arrays, write_arrays, write_files, write_json
from midge.graph.text import format_graph
from midge.memory_plan.picture import draw_plan
from midge.passes import run_passes
from midge.recipes import Settings, find_recipe, recipe_summaries
from midge.recipes import run_recipe as run_stages
from midge.report import (
    render_html,
    render_operators_markdown,
    render_operators_text,
    render_quantization_html,
    render_quantization_text,
    render_text,
)
from midge.report.wording import aligned
from midge.virtual_mcu import Target, target
from midge.virtual_mcu import targets as all_targets

_NO_BUDGET = Budget()
_LONG_STREAM = 2_000
"""Ticks."""


def targets(options: argparse.Namespace) -> int:
    """`midge targets`."""
    rows = all_targets()
    if options.json:
        write_json(options.json, [_target_json(t) for t in rows])
        return 0
    header = ("target", "core", "ISA", "clock", "RAM", "flash", "emulated by", "cycles")
    print("\n".join(aligned([header, *map(_target_row, rows)], range(len(header)))))
    return 0


def _target_row(place: Target) -> tuple[str, ...]:
    def kib(size: int | None) -> str:
        return "-" if size is None else f"{size / 1024:g} KB"

    return (
        place.name,
        place.core.name,
        place.core.isa,
        "-" if place.clock_hz is None else f"{place.clock_hz / 1e6:g} MHz",
        kib(place.ram_bytes),
        kib(place.flash_bytes),
        ", ".join(place.core.emulators) or "portable C only, not emulated",
        place.cycle_model or "not modelled",
    )


def _target_json(place: Target) -> dict[str, Any]:
    return {
        "name": place.name,
        "title": place.title,
        "kind": "board" if place.board else "core",
        "core": place.core.name,
        "isa": place.core.isa,
        "features": sorted(place.core.features),
        "clock_hz": place.clock_hz,
        "ram_bytes": place.ram_bytes,
        "flash_bytes": place.flash_bytes,
        "emulators": list(place.core.emulators),
        "cycle_model": place.cycle_model,
        "sources": dict(place.board.sources) if place.board else {},
    }


def ops(options: argparse.Namespace) -> int:
    """`midge ops`."""
    content = operators_report()
    if options.json:
        write_json(options.json, content)
    if options.markdown:
        path = Path(options.markdown)
        write_files(str(path.parent), {path.name: render_operators_markdown(content)})
    if not options.json and not options.markdown:
        print(render_operators_text(content))
    return 0


def compile_model(options: argparse.Namespace) -> int:
    """`midge compile`."""
    budget = Budget.parse(options.ram, options.flash, options.latency, options.energy)
    artifact = _compile(options, budget)
    result = artifact.run(emulator=options.emulator) if artifact.program is not None else None
    if budget != _NO_BUDGET:
        if result is None:
            raise UserError(
                f"{options.target}: nothing here emulates it, so no budget can be held; leave the "
                "budget out, or choose another target"
            )
        check_budget(artifact, result, budget, _say_measuring)
    report = report_of(artifact, result)
    files = {
        **artifact.emitted.files,
        "report.json": json.dumps(report, indent=1) + "\n",
        "report.html": render_html(report),
    }
    write_files(options.out, files)
    print(render_text(report))
    print(f"wrote {', '.join(files)} to {options.out}")
    return 0


def _compile(options: argparse.Namespace, budget: Budget = _NO_BUDGET) -> Artifact:
    return compile_graph(
        load(options.model, options.name),
        target=options.target,
        cc=options.cc,
        optimisation=None if options.c_level is None else f"-O{options.c_level}",
        keep_input=options.keep_input,
        optimize=options.optimize,
        measured=not options.no_measure,
        feed_rows=getattr(options, "feed_rows", False),
        ram_budget=budget.ram_bytes,
        flash_budget=budget.flash_bytes,
        progress=_say,
    )


def _say(line: str) -> None:
    """Progress, which is no part of what a command answers."""
    print(line, file=sys.stderr, flush=True)


def _say_measuring(what: str) -> None:
    print(f"over budget; measuring: {what}", file=sys.stderr)


def run_model(options: argparse.Namespace) -> int:
    """`midge run`; 1 when `--compare-layers` finds a difference."""
    inputs = read_arrays(options.input) if options.input else None
    if options.compare_layers and options.feed_rows:
        raise UserError(f"{options.model}: {FED_LAYERS}")
    artifact = _compile(options)
    if options.compare_layers:
        comparison = compare_layers(artifact, inputs)
        print(comparison)
        return 0 if comparison.difference is None else 1
    result = artifact.run(inputs, emulator=options.emulator)
    if options.output:
        write_arrays(options.output, result.outputs)
    if options.json:
        write_json(options.json, result.to_json())
    if options.json != "-":
        print(render_text(report_of(artifact, result)))
    return 0


def quantize_model(options: argparse.Namespace) -> int:
    """`midge quantize`."""
    if Path(options.out).suffix != ".midge":
        raise UserError(f"{options.out}: a quantised model is written as .midge; name it so")
    package = quantize(
        options.model,
        read_arrays(options.calibrate),
        labels=_read_optional(options.labels),
        evaluation=_read_optional(options.evaluate),
        evaluation_labels=_read_optional(options.evaluate_labels),
        target=options.target,
        explained=not options.quick,
        weights=options.weights,
        activations=options.activations,
        observer=options.observer,
        equalization=not options.no_equalization,
        bias_correction=not options.no_bias_correction,
        keep_float=tuple(options.keep_float),
        allow_float=options.allow_float,
    )
    package.save(options.out)
    _write_compression_report(package.report, options, lambda: package.html)
    if options.json != "-":
        print(f"wrote {options.out}")
    return 0


def inspect_model(options: argparse.Namespace) -> int:
    """`midge inspect`."""
    graph = load(options.model)
    reference = float_graph(options.reference) if options.reference else None
    samples = take_samples(
        graph if reference is None else reference,
        read_arrays(options.evaluate),
        _read_optional(options.labels),
        "evaluation samples",
    )
    report = inspect(graph, samples, reference)

    def page() -> str:
        pictures = pictures_of(graph, samples, reference)
        return render_quantization_html({**report.to_json(), "pictures": pictures})

    _write_compression_report(report, options, page)
    return 0


def _read_optional(path: str | None) -> Any:
    return None if path is None else read_arrays(path)


def _write_compression_report(
    report: Report, options: argparse.Namespace, page: Callable[[], str]
) -> None:
    """As files where they are asked for, and as text."""
    content = report.to_json()
    if options.json:
        write_json(options.json, content)
    if options.html:
        path = Path(options.html)
        write_files(str(path.parent), {path.name: page()})
    if options.json != "-":
        print(render_quantization_text(report.to_json()))


def show(options: argparse.Namespace) -> int:
    """`midge show`."""
    graph = run_passes(load(options.model, options.name))
    choice = choose_kernels(graph, target(options.target).core.features)
    planned = plan_graph(graph, choice, keep_input=options.keep_input)
    print(format_graph(planned.graph, full=False))
    print(draw_plan(planned.problem, planned.plan))
    return 0


def selftest(options: argparse.Namespace) -> int:
    """`midge selftest`."""
    files = selftest_files(_compile(options))
    write_files(options.out, files)
    print(f"wrote {', '.join(files)} to {options.out}")
    return 0


def list_recipes(_options: argparse.Namespace) -> int:
    """`midge recipe list`."""
    print("\n".join(aligned([("recipe", "what it makes"), *recipe_summaries().items()], (0, 1))))
    return 0


def run_recipe(options: argparse.Namespace) -> int:
    """`midge recipe run`."""
    recipe = find_recipe(options.name)
    place = target(options.target)
    if place.board is None or not place.core.emulators:
        raise UserError(
            f"--target: {place.name!r} is no board that is emulated here, and a recipe reports "
            "time and energy on one; `midge targets` lists them"
        )
    settings = Settings(
        data=Path(options.data) if options.data else None,
        target=place.name,
        seed=options.seed,
        records_on_device=options.records_on_device,
        quick=options.quick,
    )
    report = run_stages(recipe, settings, Path(options.out))
    text = report.with_suffix(".txt")
    if text.exists():
        print(text.read_text("utf-8"), end="")
    print(f"wrote {report}")
    return 0


def adapt_run(options: argparse.Namespace) -> int:
    """`midge adapt run`."""
    columns = tuple(name.strip() for name in (options.columns or "").split(",") if name.strip())
    stream = read_csv(options.data, columns)
    # The C takes seconds to compile; the twin has done a short stream by then.
    engine = fastest_engine() if len(stream.values) > _LONG_STREAM else TWIN
    seen = watch.watch(stream, options.horizon, options.ram, engine)
    told = watch.figures(seen)
    if options.json:
        write_json(options.json, told)
    if options.plot:
        path = Path(options.plot)
        title = f"What the learner made of {Path(options.data).name}"
        write_files(str(path.parent), {path.name: watch.html(title, seen)})
    if options.json != "-":
        print(watch.text(told))
        if options.plot:
            print(f"wrote {options.plot}")
    return 0


def adapt_benchmark(options: argparse.Namespace) -> int:
    """`midge adapt benchmark`."""

    def told(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    data = Path(options.data) if options.data else None
    results = Path(options.out) / "adapt.json"
    check_free(options.out, (results.name, "adapt.md"))
    content = read_before(results)
    engine = fastest_engine()
    for name in options.only or PROTOCOLS:
        # Written after each: the whole takes long.
        content = run_benchmark(
            content, [name], data, options.quick, told, engine, keep=options.keep
        )
        listed = json.dumps(content, indent=1) + "\n"
        write_files(options.out, {"adapt.json": listed, "adapt.md": markdown(content)})
    if options.plot:
        path = Path(options.plot)
        write_files(str(path.parent), {path.name: benchmark_page(content, data, told, engine)})
    print(f"wrote adapt.json and adapt.md to {options.out}")
    return 0
