"""The other compilers: which they are, and an environment of its own for each."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.mlperf_tiny import REPOSITORY
from midge import ToolError, processes

BUILD = REPOSITORY / "build" / "peers"
_HERE = Path(__file__).parent


class NotTakenError(Exception):
    """The peer refuses the network; the message is its own."""


@dataclass(frozen=True)
class Peer:
    """A compiler from PyPI.

    Attributes:
        name: Of its distribution.
        version: The one that is compared.
        requirements: What pip installs.
        script: The file in this folder that drives it.
        variants: Ways to compile, with what each is.
        stack_bytes: RAM to keep for the stack of what it emits.
        numerics: How its arithmetic stands to the network's.
    """

    name: str
    version: str
    requirements: tuple[str, ...]
    script: str
    variants: dict[str, str]
    stack_bytes: int
    numerics: str

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return BUILD / f"{self.name}-{self.version}" / "bin" / "python"

    def install(self) -> None:
        """Make the environment, unless it is there.

        Raises:
            ToolError: pip could not.
        """
        folder = self.python.parents[1]
        mark = folder / "installed.txt"
        wanted = "\n".join(self.requirements)
        if mark.is_file() and mark.read_text("utf-8") == wanted:
            return
        venv = (sys.executable, "-m", "venv", str(folder))
        pip = (str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        for command in (venv, (*pip, *self.requirements)):
            done = processes.run(command, timeout_s=1800)
            if done.returncode:
                reason = (done.stderr_text or done.stdout_text).strip().splitlines()
                raise ToolError(
                    f"{self.name} {self.version}: cannot be installed from PyPI: "
                    f"{reason[-1] if reason else 'pip failed without a word'}"
                )
        mark.write_text(wanted, "utf-8")

    def compile(self, network: Path, variant: str, original: Path) -> tuple[Path, dict[str, Any]]:
        """Let it write C.

        Args:
            network: A folder of `peer_networks.write_network`.
            variant: One of its variants.
            original: The .tflite file as published.

        Returns:
            The folder with the C, and what its script says of it.

        Raises:
            NotTakenError: it refuses the network.
        """
        out = BUILD / "c" / f"{self.name}-{variant}-{network.name}"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        script = _HERE / self.script
        done = processes.run((self.python, script, network, variant, original, out), timeout_s=900)
        if done.returncode:
            lines = [line for line in done.stderr_text.splitlines() if line.strip()]
            raise NotTakenError(lines[-1].strip() if lines else f"status {done.returncode}")
        return out / "c", json.loads((out / "peer.json").read_text("utf-8"))


PEERS = (
    Peer(
        name="bakenn",
        version="1.0.0",
        requirements=("bakenn[tflite]==1.0.0",),
        script="peer_bakenn.py",
        variants={
            "portable": "its portable C",
            "smlad": "its own Cortex-M4 kernels, portable C elsewhere",
            "cmsis_nn": "the CMSIS-NN that it bundles, its own kernels elsewhere",
        },
        stack_bytes=1 << 16,
        numerics="the same int8 weights, scales and rounding",
    ),
    Peer(
        name="emx-onnx-cgen",
        version="1.4.0",
        requirements=("emx-onnx-cgen==1.4.0",),
        script="peer_emx.py",
        variants={
            "int8": "QLinear operators, the same int8 weights and scales",
            "float32": "float operators, weights dequantised",
        },
        stack_bytes=1 << 21,
        numerics="the same int8 weights; requantised in float, half to even",
    ),
    Peer(
        name="emlearn",
        version="0.23.0",
        requirements=("emlearn==0.23.0", "scikit-learn"),
        script="peer_emlearn.py",
        variants={"float32": "dense layers in float, weights dequantised"},
        stack_bytes=1 << 16,
        numerics="float",
    ),
)
