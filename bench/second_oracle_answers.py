"""The three that answer: tflite-runtime, TFLite Micro and Midge's interpreter.

tflite-runtime 2.14.0 is the last that has the reference kernels with TFLite Micro's rounding in a
package for CPython. It needs CPython 3.11 or older and NumPy 1, so it gets an environment of its
own in Midge's per-user cache, and a worker process in it (`second_oracle_worker`).
"""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.mlperf_tiny import REPOSITORY
from midge import ToolError, UserError, processes
from midge.graph import interpret, outputs_of
from midge.importers import import_tflite
from midge.toolchain import cache_directory

# The tests' oracle is the one place that runs TFLite Micro.
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.oracle import (
    ModelKilledInterpreterError,
    ModelRefusedError,
    tflm_outputs_of_samples,
    tflm_tensors,
)

VERSION = "2.14.0"
REQUIREMENTS = (f"tflite-runtime=={VERSION}", "numpy<2")
NEWEST_PYTHON = (3, 11)
"""tflite-runtime 2.14.0 has wheels up to this CPython."""

OUTPUTS, REFUSES, DIES = "outputs", "refuses", "dies"
"""What a runtime can do with a model."""

Array = NDArray[Any]
Sample = Sequence[Array]


@dataclass(frozen=True)
class Answer:
    """What a runtime makes of a model and some samples.

    Attributes:
        kind: `OUTPUTS`, `REFUSES`, or `DIES`: the model ended the runtime's process.
        outputs: For each sample, an array for each output of the model; empty without outputs.
        said: Why it refuses, or how it died.
    """

    kind: str
    outputs: tuple[tuple[Array, ...], ...] = ()
    said: str = ""


@dataclass(frozen=True)
class Comparison:
    """Two answers of the same model, element by element.

    Attributes:
        elements: Compared.
        differing: Of them.
        largest: Largest difference in LSB, the output's quantisation steps.
    """

    elements: int = 0
    differing: int = 0
    largest: int = 0

    @property
    def equal(self) -> bool:
        """Whether something was compared, and nothing differs."""
        return self.elements > 0 and self.differing == 0

    @staticmethod
    def of(found: Answer, expected: Answer) -> Comparison:
        """Compare the elements of all samples; shapes are left to the caller, sizes must agree.

        An answer without outputs has no elements, so it is not equal to anything.
        """
        elements = differing = largest = 0
        for ours, theirs in zip(found.outputs, expected.outputs, strict=False):
            for a, b in zip(ours, theirs, strict=True):
                distance = np.abs(a.reshape(-1).astype(np.int64) - b.reshape(-1))
                elements += distance.size
                differing += int(np.count_nonzero(distance))
                largest = max(largest, int(distance.max(initial=0)))
        return Comparison(elements, differing, largest)


def tflm_answer(model: bytes, samples: Sequence[Sample]) -> Answer:
    """Ask TFLite Micro."""
    try:
        outputs = tflm_outputs_of_samples(model, samples)
    except ModelKilledInterpreterError as error:
        return Answer(DIES, said=_signal_in(str(error)))
    except ModelRefusedError as error:
        return Answer(REFUSES, said=str(error))
    return Answer(OUTPUTS, tuple(tuple(sample) for sample in outputs))


def tflm_computed(model: bytes, sample: Sample) -> dict[int, Array]:
    """Every tensor that an operator computes in TFLite Micro, by its index.

    Raises:
        ModelRefusedError: TFLite Micro does not take the model.
    """
    computed: dict[int, Array] = tflm_tensors(model, sample)
    return computed


def midge_answer(model: bytes, samples: Sequence[Sample]) -> Answer:
    """Ask Midge's importer and interpreter."""
    try:
        graph = import_tflite(model, "network.tflite")
    except UserError as error:
        return Answer(REFUSES, said=str(error))
    outputs = []
    for sample in samples:
        values = interpret(graph, dict(zip(graph.inputs, sample, strict=True)))
        outputs.append(tuple(outputs_of(graph, values).values()))
    return Answer(OUTPUTS, tuple(outputs))


class SecondOracle:
    """tflite-runtime's worker process; a context that starts and ends it.

    Attributes:
        versions: Of tflite-runtime, NumPy and Python there.
    """

    versions: dict[str, str]

    def __enter__(self) -> SecondOracle:
        """Make the environment if need be, and start the worker.

        Raises:
            ToolError: There is no suitable Python, pip fails, or the worker does not start.
        """
        python = environment()
        script = Path(__file__).with_name("second_oracle_worker.py")
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )
        names = ("tflite-runtime", "NumPy", "Python")
        self.versions = dict(zip(names, self._receive(), strict=True))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the worker."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def answer(self, model: bytes, samples: Sequence[Sample], *, fill: int | None = None) -> Answer:
        """Ask tflite-runtime.

        Args:
            model: A .tflite file.
            samples: For each an array per input, in the model's order.
            fill: What the outputs hold before each inference, an int8: what still holds it
                afterwards was not written.

        Raises:
            ToolError: The worker ended.
        """
        return self._ask(model, samples, fill, None)

    def tensors(self, model: bytes, sample: Sample, indices: Sequence[int]) -> list[Array]:
        """Run one inference with all tensors preserved and read these.

        Raises:
            ToolError: The worker ended, or tflite-runtime does not take the model.
        """
        answer = self._ask(model, [sample], None, list(indices))
        if answer.kind != OUTPUTS:
            raise ToolError(f"tflite-runtime {answer.kind}: {answer.said}")
        return list(answer.outputs[0])

    def _ask(
        self,
        model: bytes,
        samples: Sequence[Sample],
        fill: int | None,
        tensors: list[int] | None,
    ) -> Answer:
        # Plain bytes: arrays pickled by NumPy 2 are not NumPy 1's.
        plain = [[(x.dtype.str, x.shape, x.tobytes()) for x in sample] for sample in samples]
        assert self._process.stdin is not None
        try:
            pickle.dump((model, plain, fill, tensors), self._process.stdin)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        kind, value = self._receive()
        if kind != OUTPUTS:
            return Answer(kind, said=value)
        arrays = tuple(
            tuple(np.frombuffer(content, dtype).reshape(shape) for dtype, shape, content in sample)
            for sample in value
        )
        return Answer(OUTPUTS, arrays)

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        try:
            return pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError):
            raise self._ended() from None

    def _ended(self) -> ToolError:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"status {self._process.returncode}"
        return ToolError(
            f"tflite-runtime {VERSION}: its worker process ended: {reason}; remove "
            f"{_folder()} to install it anew"
        )


def environment() -> Path:
    """The Python of tflite-runtime's environment, which is made on the first call.

    Raises:
        ToolError: There is no suitable Python, or pip cannot install it.
    """
    folder = _folder()
    python = folder / "bin" / "python"
    mark = folder / "installed.txt"
    wanted = "\n".join(REQUIREMENTS)
    if mark.is_file() and mark.read_text("utf-8") == wanted and python.exists():
        return python
    base = _suitable_python()
    print(f"installing {' and '.join(REQUIREMENTS)} into {folder}", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    pip: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    commands: tuple[list[str | Path], ...] = (
        [base, "-m", "venv", folder],
        [*pip, *REQUIREMENTS],
    )
    for command in commands:
        done = processes.run(command, timeout_s=1800)
        if done.returncode:
            reason = (done.stderr_text or done.stdout_text).strip().splitlines()
            raise ToolError(
                f"tflite-runtime {VERSION}: cannot be installed from PyPI: "
                f"{reason[-1] if reason else 'pip failed without a word'}; it has wheels for "
                "CPython 3.11 and older on Linux"
            )
    mark.write_text(wanted, "utf-8")
    return python


def _folder() -> Path:
    return cache_directory() / f"tflite-runtime-{VERSION}"


def _suitable_python() -> str:
    """A CPython 3.11: this one, or the one on PATH."""
    newest = ".".join(map(str, NEWEST_PYTHON))
    if sys.version_info[:2] == NEWEST_PYTHON and sys.implementation.name == "cpython":
        return sys.executable
    found = shutil.which(f"python{newest}")
    if found is not None:
        # A version manager's stand-in may be on PATH without the version that it names.
        asked = processes.run([found, "--version"], timeout_s=60)
        if asked.returncode == 0 and f"Python {newest}." in asked.stdout_text:
            return found
    raise ToolError(
        f"tflite-runtime {VERSION}: needs CPython {newest} or older; this is "
        f"{sys.implementation.name} {sys.version.split()[0]}, and no python{newest} on PATH works. "
        f"Install CPython {newest} and put python{newest} on PATH"
    )


def _signal_in(message: str) -> str:
    """``SIGABRT`` out of "TFLite Micro ended the process (SIGABRT)"."""
    return message.rsplit("(", 1)[-1].rstrip(")") if message.endswith(")") else message
