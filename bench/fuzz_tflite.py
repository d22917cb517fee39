"""Coverage-guided fuzzing of everything that reads a .tflite or a .midge file, by hand.

::

    make fuzz
    python -m bench.fuzz_tflite [--minutes 60] [--folder build/fuzz]

libFuzzer's mutations start from small networks of every operator and type, as .tflite and as the
content of a .midge file, and keep what reaches new code. A file may end in a `UserError` that names
it, or be accepted by verify and interpreted; anything else, 20 s without an answer or 2 GB of
memory, is a finding and stands in the folder.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.markdown import RESULTS, write_results
from bench.mlperf_tiny import REPOSITORY
from midge.graph import write_graph
from midge.importers import import_tflite
from midge.synthetic import OPERATORS, random_network, single_op_networks

LARGEST_CORPUS_FILE_BYTES = 6_000
TIMEOUT_S = 20
MEMORY_MB = 2048


def corpus(folder: Path) -> int:
    """Write the files that fuzzing starts from; their number."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [*single_op_networks()]
    for seed in range(60):
        dtype = ("int8", "int16", "float32")[seed % 3]
        made.append(random_network(seed, ops=OPERATORS, dtype=dtype, max_ops=4, max_elements=64))
    count = 0
    for number, network in enumerate(made):
        # Without its first line, which `bench.fuzz_target` makes for what mutations leave.
        graph = import_tflite(network.model_bytes, "m.tflite")
        files = {
            f"{number:05d}.tflite": network.model_bytes,
            f"{number:05d}.midge-graph": write_graph(graph).partition(b"\n")[2],
        }
        for name, content in files.items():
            if len(content) <= LARGEST_CORPUS_FILE_BYTES:
                (folder / name).write_bytes(content)
                count += 1
    return count


def _is_harmless(finding: Path) -> bool:
    """True for a file that is read well after all: the process was ended from outside."""
    command = [sys.executable, "-m", "bench.fuzz_target", f"-timeout={TIMEOUT_S}", str(finding)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def main(arguments: list[str] | None = None) -> int:
    """Fuzz for a while and write down what came of it; 1 when something was found."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.fuzz_tflite", description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--folder", default=str(REPOSITORY / "build" / "fuzz"))
    options = parser.parse_args(arguments)
    folder = Path(options.folder)
    findings = folder / "findings"
    shutil.rmtree(findings, ignore_errors=True)
    findings.mkdir(parents=True)
    started_with = corpus(folder / "seeds")
    grown = folder / "corpus"
    grown.mkdir(exist_ok=True)
    end = time.monotonic() + 60 * options.minutes
    runs = 0
    # A finding ends the fuzzing process: it is kept, and fuzzing goes on.
    while (left := int(end - time.monotonic())) > 0:
        command = [sys.executable, "-m", "bench.fuzz_target", str(grown), str(folder / "seeds")]
        command += [f"-max_total_time={left}", f"-timeout={TIMEOUT_S}", "-max_len=8192"]
        command += [f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={findings}/"]
        command += ["-print_final_stats=1"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        for line in done.stderr.splitlines():
            if line.startswith("stat::number_of_executed_units:"):
                runs += int(line.split()[-1])
        print(done.stderr[-2000:], file=sys.stderr, flush=True)
        if done.returncode == 0:
            break
    found = [path.name for path in sorted(findings.iterdir()) if not _is_harmless(path)]
    content = {
        "minutes": options.minutes,
        "seeds": started_with,
        "files_read": runs,
        "corpus": sum(1 for _ in grown.iterdir()),
        "findings": found,
    }
    text = (
        "# Fuzzing\n\n"
        "Written by `python -m bench.fuzz_tflite`, which says what is fuzzed.\n\n"
        f"{options.minutes:g} minutes from {started_with:,} files: {runs:,} files read, "
        f"{content['corpus']:,} kept because they reached new code, {len(found)} findings.\n"
    )
    write_results(RESULTS if options.minutes >= 60 else str(folder), "fuzz", text, content)
    print(json.dumps(content, indent=1))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
