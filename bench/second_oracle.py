"""tflite-runtime beside TFLite Micro: where the second outside oracle differs, and why.

::

    python -m bench.second_oracle [--networks N] [--start SEED] [--match TEXT] [--output FOLDER]

tflite-runtime 2.14.0 runs with its reference kernels (BUILTIN_REF) in an environment of its own; it
needs CPython 3.11. Compared with TFLite Micro and with Midge's interpreter are

- the four MLPerf Tiny networks, a share of their golden samples;
- every operator alone (`midge.synthetic.single_op_networks`);
- N random networks from a seed on (`midge.synthetic.random_network`), as a whole and each layer
  alone on TFLite Micro's values;
- models by hand that some runtime refuses (`second_oracle_corners`).

Every difference is traced to its cause, and the cause proven with the numbers. What is found goes
to ``bench/results/second_oracle.md`` and ``.json``; docs/oracles.md says what follows from it. It
exits with 1 when a difference has no proven cause.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib.metadata import version

import midge
from bench.markdown import RESULTS, write_results
from bench.mlperf_tiny import FOLDER, NETWORKS, REPOSITORY
from bench.progress import Progress
from bench.second_oracle_answers import SecondOracle, midge_answer, tflm_answer
from bench.second_oracle_corners import corners
from bench.second_oracle_models import ModelRow, compare_model
from bench.second_oracle_report import CornerRow, Found, summary
from bench.second_oracle_sweep import Tally, sweep
from midge import MidgeError
from midge.synthetic import random_network, single_op_networks

DEFAULT_NETWORKS = 300
COMMAND = "python -m bench.second_oracle"


def compare(second: SecondOracle, networks: int, start: int, match: str) -> Found:
    """Run everything, or, with `match`, the made models whose name holds it.

    Args:
        second: tflite-runtime's worker.
        networks: Random networks.
        start: Their first seed.
        match: Part of a name; empty for everything.

    Raises:
        UserError: The MLPerf Tiny networks are incomplete.
        ToolError: tflite-runtime's worker ended.
        InternalError: A proof by rewriting is broken.
    """
    whole = not match
    operators = [
        (network, f"{COMMAND} --match '{network.name}'")
        for network in single_op_networks()
        if match in network.name
    ]
    random = (
        (random_network(seed), f"{COMMAND} --start {seed} --networks 1")
        for seed in range(start, start + networks)
    )
    parts = f" --match '{match}'" if match else f" --networks {networks} --start {start}"
    return Found(
        command=COMMAND + parts,
        versions=_versions(second),
        start=start,
        models=_models(second) if whole and FOLDER.is_dir() else None,
        operators=sweep("operators", operators, len(operators), second),
        random=sweep("random", random, networks, second) if whole else Tally(),
        corners=_corners(second, match),
    )


def _models(second: SecondOracle) -> list[ModelRow]:
    progress = Progress("MLPerf Tiny", 3 * len(NETWORKS))
    step: Callable[[str], None] = lambda what: progress.advance(1, what)  # noqa: E731
    rows = [compare_model(network, second, step) for network in NETWORKS.values()]
    progress.close()
    return rows


def _corners(second: SecondOracle, match: str) -> list[CornerRow]:
    chosen = [corner for corner in corners() if match in corner.network.name]
    progress = Progress("by hand", len(chosen))
    rows = []
    for corner in chosen:
        model, samples = corner.network.model_bytes, corner.samples
        answers = (
            tflm_answer(model, samples),
            second.answer(model, samples),
            midge_answer(model, samples),
        )
        usual = None
        if corner.usual is not None:
            usual = tflm_answer(corner.usual.model_bytes, corner.usual_samples)
        rows.append(CornerRow.of(corner, *answers, usual))
        progress.advance(1, corner.network.name)
    progress.close()
    return rows


def _versions(second: SecondOracle) -> dict[str, str]:
    own = {"Midge": midge.__version__, "tflite-micro": version("tflite-micro")}
    beside = {f"its {name}": v for name, v in second.versions.items() if name != "tflite-runtime"}
    return own | {"tflite-runtime": second.versions["tflite-runtime"]} | beside


def main(arguments: list[str] | None = None) -> int:
    """Compare and write; 0 when every difference is explained, 1 when one is not."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.split("\n")[0])
    parser.add_argument(
        "--networks", type=int, default=DEFAULT_NETWORKS, metavar="N", help="random networks (300)"
    )
    parser.add_argument("--start", type=int, default=0, metavar="SEED", help="first seed (0)")
    parser.add_argument(
        "--match", default="", metavar="TEXT", help="only the made models whose name holds this"
    )
    parser.add_argument("--output", metavar="FOLDER", help="where the results go")
    options = parser.parse_args(arguments)
    # A part must not replace the record of the whole.
    part = bool(options.match) or options.networks < DEFAULT_NETWORKS
    folder = options.output or (str(REPOSITORY / "build" / "second_oracle") if part else RESULTS)
    try:
        with SecondOracle() as second:
            found = compare(second, options.networks, options.start, options.match)
        text = summary(found)
        write_results(folder, "second_oracle", text, found.to_json())
    except MidgeError as error:
        print(f"bench.second_oracle: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was written", file=sys.stderr)
        return 130
    if part:
        print(text)
    remaining = found.unexplained
    print(f"wrote {folder}/second_oracle.md; {len(remaining)} differences without a proven cause")
    for line in remaining:
        print(f"- {line}", file=sys.stderr)
    return 1 if remaining else 0


if __name__ == "__main__":
    sys.exit(main())
