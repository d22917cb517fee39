"""Runs TFLite Micro for `oracle`, in a process that TFLite Micro may kill.

Requests come in on standard input and answers go out on standard output, pickled, one after the
other. TFLite Micro prints its reasons to standard output and error; both are pointed at a file
whose new contents go with each answer.
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from collections import OrderedDict
from typing import IO, Any

import numpy as np

KEPT_INTERPRETERS = 4


def serve(requests: IO[bytes], answers: IO[bytes], log: IO[bytes]) -> None:
    """Answer requests until the input ends."""
    from tflite_micro import runtime

    interpreters: OrderedDict[tuple[bytes, bool], Any] = OrderedDict()
    while True:
        try:
            model, samples, arena_bytes, tensor_indices, stream = pickle.load(requests)
        except EOFError:
            return
        start = log.seek(0, os.SEEK_END)
        try:
            key = (model, tensor_indices is not None)
            if stream:
                # A reset does not run initialisation subgraphs again.
                interpreters.pop(key, None)
            if key not in interpreters:
                kind = runtime.InterpreterConfig
                interpreters[key] = runtime.Interpreter.from_bytes(
                    model,
                    arena_size=arena_bytes,
                    intrepreter_config=(
                        kind.kAllocationRecording
                        if tensor_indices is None
                        else kind.kPreserveAllTensors
                    ),
                )
            while len(interpreters) > KEPT_INTERPRETERS:
                interpreters.popitem(last=False)
            interpreters.move_to_end(key)
            results = [
                _invoke(interpreters[key], sample, tensor_indices, reset=not stream)
                for sample in samples
            ]
            answer = ("results", results)
        except (RuntimeError, ValueError, IndexError) as error:
            interpreters.pop(key, None)
            sys.stdout.flush()
            log.seek(start)
            said = log.read().decode(errors="replace").strip()
            answer = ("refused", f"{error}; TFLite Micro printed: {said}")
        pickle.dump(answer, answers)
        answers.flush()


def _invoke(interpreter: Any, sample: Any, tensor_indices: Any, *, reset: bool) -> Any:
    if reset:
        interpreter.reset()
    inputs, output_count = sample
    for index, value in enumerate(inputs):
        interpreter.set_input(value, index)
    interpreter.invoke()
    if tensor_indices is None:
        return [np.array(interpreter.get_output(index)) for index in range(output_count)]
    return {
        index: np.array(interpreter.GetTensor(index, 0)["tensor_data"]) for index in tensor_indices
    }


def main() -> None:
    """Keep the real standard output for answers, and send everything printed to the log."""
    with tempfile.TemporaryFile() as log, os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        serve(sys.stdin.buffer, answers, log)


if __name__ == "__main__":
    main()
