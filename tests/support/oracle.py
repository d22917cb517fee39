"""TFLite Micro's own interpreter as the outside oracle.

``tflite-micro`` from PyPI is the reference kernels with double rounding, the arithmetic that
Midge's interpreter must equal bit for bit on an imported .tflite. It ends the process on a model
that breaks one of its internal checks, so it runs in a worker process of its own, which is replaced
when it dies.

An answer is one of three things, never mixed up:

- the outputs;
- `ModelRefusedError`: TFLite Micro says no (an unsupported operator, type or attribute) and why;
- `ModelKilledInterpreterError`: it aborted, crashed, or did not come back.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

Array = NDArray[Any]

ARENA_BYTES = 64 << 20  # address space only: untouched pages cost nothing
TIMEOUT_S = 120.0


class ModelRefusedError(Exception):
    """TFLite Micro refuses the model; the message holds what it printed."""


class ModelKilledInterpreterError(ModelRefusedError):
    """TFLite Micro aborted, crashed or hung on the model."""


def tflm_outputs(model: bytes, inputs: Sequence[Array]) -> list[Array]:
    """Run one inference.

    Args:
        model: A .tflite file.
        inputs: One array per model input, in the model's order, of its shape and type.

    Returns:
        One array per model output, in the model's order.

    Raises:
        ModelRefusedError: TFLite Micro does not take the model, or not these inputs.
    """
    return tflm_outputs_of_samples(model, [inputs])[0]


def tflm_outputs_of_samples(
    model: bytes, samples: Sequence[Sequence[Array]], *, stream: bool = False
) -> list[list[Array]]:
    """Run one inference per sample; see `tflm_outputs`.

    Each starts from a reset state; where `stream`, from what the one before left, and the first
    from a new interpreter.
    """
    count = tflite.Model.GetRootAs(model, 0).Subgraphs(0).OutputsLength()
    requests = [([np.array(x, order="C") for x in inputs], count) for inputs in samples]
    outputs: list[list[Array]] = _WORKER.ask((model, requests, ARENA_BYTES, None, stream))
    return outputs


def tflm_tensors(model: bytes, inputs: Sequence[Array]) -> dict[int, Array]:
    """Run one inference and return every tensor that an operator computed, by tensor index.

    For finding the first layer that differs. Arguments and errors as for `tflm_outputs`.
    """
    subgraph = tflite.Model.GetRootAs(model, 0).Subgraphs(0)
    indices = sorted(
        subgraph.Operators(i).Outputs(j)
        for i in range(subgraph.OperatorsLength())
        for j in range(subgraph.Operators(i).OutputsLength())
    )
    request = ([np.array(x, order="C") for x in inputs], 0)
    tensors: list[dict[int, Array]] = _WORKER.ask((model, [request], ARENA_BYTES, indices, False))
    return tensors[0]


class _Worker:
    """The worker process; started on first use, replaced after it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        atexit.register(self.stop)

    def ask(self, request: object) -> Any:
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            watchdog = threading.Timer(TIMEOUT_S, process.kill)
            watchdog.start()
            try:
                pickle.dump(request, process.stdin)
                process.stdin.flush()
                kind, value = pickle.load(process.stdout)
            except (EOFError, BrokenPipeError, pickle.UnpicklingError):
                raise ModelKilledInterpreterError(self._how_it_died()) from None
            finally:
                watchdog.cancel()
        if kind == "refused":
            raise ModelRefusedError(value)
        return value

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            script = Path(__file__).with_name("oracle_worker.py")
            self._process = subprocess.Popen(
                [sys.executable, os.fspath(script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        return self._process

    def _how_it_died(self) -> str:
        assert self._process is not None
        self._process.communicate()
        code = self._process.returncode
        self._process = None
        if code == -signal.SIGKILL:
            return f"TFLite Micro was stopped: no answer within {TIMEOUT_S:.0f} s"
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"TFLite Micro ended the process ({name})"


_WORKER = _Worker()
