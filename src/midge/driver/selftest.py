"""A program for a real board that checks the network against golden vectors and times it.

What the virtual microcontroller says of a board can so be held against the board itself.
"""

from __future__ import annotations

from importlib import resources

import numpy as np

from midge.c_emitter.c_text import array
from midge.driver.artifact import Artifact
from midge.driver.samples import random_sample
from midge.errors import UserError
from midge.graph import Array, DType, initial_state, interpret, outputs_of, state_after
from midge.version import VERSION

GOLDEN_SAMPLES = 3


def selftest_files(artifact: Artifact) -> dict[str, str]:
    """The C library, and a main.c to flash.

    main.c prints through `midge_selftest_print`, which the application supplies (a UART, RTT,
    semihosting), and times with the core's cycle counter. Its golden outputs come from the
    interpreter.

    Returns:
        Text by file name: ``<name>.h``, ``<name>.c``, ``main.c``, ``SELFTEST.md``.

    Raises:
        UserError: the network is called ``main``.
    """
    graph, target = artifact.graph, artifact.settings.target
    if graph.name.lower() == "main":
        raise UserError(
            "main: the self-test has a main.c of its own; give the network another name (--name)"
        )
    samples = [random_sample(graph, seed) for seed in range(GOLDEN_SAMPLES)]
    goldens = []
    state = initial_state(graph)
    for sample in samples:
        values = interpret(graph, sample, state)
        state = state_after(graph, values)
        goldens.append(outputs_of(graph, values))
    arrays = []
    for number, (sample, golden) in enumerate(zip(samples, goldens, strict=True)):
        for index, name in enumerate(graph.inputs):
            arrays.append(_array(f"golden_{number}_input_{index}", sample[name]))
        for index, name in enumerate(graph.outputs):
            arrays.append(_array(f"golden_{number}_output_{index}", golden[name]))
    template = (
        resources.files("midge.device").joinpath("ports", "selftest_main.c").read_text("ascii")
    )
    main = template
    for key, value in {
        "MODEL_NAME": graph.name,
        "MODEL_MACRO": graph.name.upper(),
        "MIDGE_VERSION": VERSION,
        "GOLDEN_ARRAYS": "\n".join(arrays),
        "GOLDEN_TABLE": _table(graph.inputs, graph.outputs),
        "SAMPLES": str(GOLDEN_SAMPLES),
        "INPUTS": str(len(graph.inputs)),
        "OUTPUTS": str(len(graph.outputs)),
        "INPUT_BYTES": ", ".join(str(graph.tensors[n].size_bytes) for n in graph.inputs),
        "ESPRESSIF": str(int(target.board is not None and target.name.startswith("esp32c"))),
        "HAZARD3": str(int(target.core.name == "hazard3")),
        "OUTPUT_IS_FLOAT": ", ".join(
            str(int(graph.tensors[n].dtype is DType.FLOAT32)) for n in graph.outputs
        ),
        "OUTPUT_BYTES": ", ".join(str(graph.tensors[n].size_bytes) for n in graph.outputs),
    }.items():
        main = main.replace(f"@{key}@", value)
    return {**artifact.emitted.files, "main.c": main, "SELFTEST.md": _readme(artifact)}


def _array(name: str, values: Array) -> str:
    text = array(name, np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8), 4)
    return text.replace("MIDGE_ALIGNED(4)", "__attribute__((aligned(4)))")


def _table(inputs: tuple[str, ...], outputs: tuple[str, ...]) -> str:
    rows = []
    for number in range(GOLDEN_SAMPLES):
        ins = ", ".join(f"golden_{number}_input_{i}" for i in range(len(inputs)))
        outs = ", ".join(f"golden_{number}_output_{i}" for i in range(len(outputs)))
        rows.append(f"    {{{{{ins}}}, {{{outs}}}}},")
    return "\n".join(rows)


def _readme(artifact: Artifact) -> str:
    graph, target = artifact.graph, artifact.settings.target
    lines = [
        f"# Self-test of `{graph.name}` for {target.title}",
        "",
        "1. Add `main.c` and the two model files to a project that starts the chip (clock, "
        "stack, .data,",
        "   .bss); compile with the flags you ship with.",
        "2. Supply `void midge_selftest_print(const char *text)`: a UART, RTT or semihosting.",
        "3. Flash. Every sample must print `equal`; compare the cycles with Midge's report.",
        "",
        "The cycle counter is DWT.CYCCNT on Cortex-M3 and above, SysTick on Cortex-M0+, mcycle "
        "on RISC-V, mpccr on Espressif's.",
        "Define `MIDGE_SELFTEST_CYCLES()` to use another one.",
    ]
    return "\n".join(lines) + "\n"
