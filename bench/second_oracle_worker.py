"""Runs tflite-runtime with its reference kernels; lives in an environment that has no Midge.

Requests come in on standard input and answers go out on standard output: pickled tuples of plain
values, one after the other. The first message out is ``(tflite-runtime's version, NumPy's,
Python's)``. Then, for each request ``(model, samples, fill, tensors)``:

- ``model``: a .tflite file, bytes.
- ``samples``: for each sample the inputs in the model's order, each ``(dtype, shape, bytes)``.
- ``fill``: what outputs are filled with before each inference, an int8; None leaves them alone.
- ``tensors``: indices to read instead of the outputs; all tensors are then preserved.

an answer ``(kind, value)``: ``("outputs", a list for each sample of (dtype, shape, bytes))``,
``("refuses", what was said)`` or ``("dies", how)``.

Each request is answered by a process of its own, forked off here: some models make tflite-runtime
abort, others make it write where it must not, and neither may reach the next answer.
"""

from __future__ import annotations

import os
import pickle
import platform
import signal
import sys
import tempfile
from importlib.metadata import version
from typing import IO, Any

import numpy as np
from tflite_runtime.interpreter import Interpreter, OpResolverType

TIMEOUT_S = 120


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until the input ends."""
    _send(answers, (version("tflite-runtime"), np.__version__, platform.python_version()))
    while True:
        try:
            request = pickle.load(requests)
        except EOFError:
            return
        _send(answers, _answer(request))


def _answer(request: tuple[Any, ...]) -> tuple[str, Any]:
    """Let a process of its own answer, and say how it ended if it gave no answer."""
    ours, theirs = os.pipe()
    with tempfile.TemporaryFile() as log:
        child = os.fork()
        if child == 0:
            _be_the_child(request, theirs, log)
        os.close(theirs)
        with os.fdopen(ours, "rb") as pipe:
            content = pipe.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        log.seek(0)
        said = log.read().decode(errors="replace").strip()
    if code == 0:
        kind, value = pickle.loads(content)
        return (kind, f"{value} {said}".strip()) if kind == "refuses" else (kind, value)
    if code == -signal.SIGALRM:
        return "dies", f"no answer within {TIMEOUT_S} s"
    return "dies", signal.Signals(-code).name if code < 0 else f"exit code {code}: {said}"


def _be_the_child(request: tuple[Any, ...], pipe: int, log: IO[bytes]) -> None:
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    signal.alarm(TIMEOUT_S)
    code = 1
    try:
        answer: tuple[str, Any]
        try:
            answer = ("outputs", _results(*request))
        except (RuntimeError, ValueError) as error:
            answer = ("refuses", str(error))
        with os.fdopen(pipe, "wb") as stream:
            _send(stream, answer)
        code = 0
    finally:
        # Neither the parent's buffers nor its clean-up are the child's business.
        os._exit(code)


def _results(
    model: bytes, samples: list[Any], fill: int | None, tensors: list[int] | None
) -> list[Any]:
    interpreter = Interpreter(
        model_content=model,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=tensors is not None,
    )
    interpreter.allocate_tensors()
    inputs = [detail["index"] for detail in interpreter.get_input_details()]
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    results = []
    for sample in samples:
        for index, (dtype, shape, content) in zip(inputs, sample, strict=True):
            interpreter.set_tensor(index, np.frombuffer(content, dtype).reshape(shape))
        if fill is not None:
            for index in outputs:
                interpreter.tensor(index)()[...] = fill
        interpreter.invoke()
        read = outputs if tensors is None else tensors
        results.append([_plain(interpreter.get_tensor(index)) for index in read])
    return results


def _plain(array: Any) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.str, array.shape, array.tobytes()


def _send(stream: IO[bytes], message: object) -> None:
    pickle.dump(message, stream)
    stream.flush()


def main() -> None:
    """Keep the real standard output for answers, and send everything printed to standard error."""
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
