"""Let emlearn 0.23 write the C of a network of dense layers; runs in its own environment.

``python peer_emlearn.py NETWORK VARIANT ORIGINAL OUT``: the folder of
`peer_networks.write_network`, ``float32`` (the weights dequantised), a file that is not read, and
the folder for the C and ``peer.json``.

Of its forms only "loadable" is left: "inline" raises ValueError on any activation in 0.23.0, and
the fixed-point form has no multiplication (eml_net_fixedpoint.h says "FIXME: implement").
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import emlearn
import numpy as np
from emlearn.net import c_generate_net_loadable

_ACTIVATIONS = {"relu": "relu", "none": "identity"}


def main() -> None:
    """Dense layers with ReLU or nothing behind them are what emlearn has."""
    source, _, _, out = sys.argv[1:]
    network = json.loads((Path(source) / "network.json").read_text("utf-8"))
    constants = np.load(Path(source) / "network.npz")
    foreign = sorted({op["kind"] for op in network["operators"]} - {"fully_connected"})
    if foreign:
        raise SystemExit(f"emlearn has dense layers only; this network has {', '.join(foreign)}")
    tensors = network["tensors"]
    activations, weights, biases = [], [], []
    for operator in network["operators"]:
        x, w, b = operator["inputs"]
        scale = tensors[w]["scale"][0]
        weights.append(constants[str(w)].T.astype(np.float64) * scale)
        biases.append(constants[str(b)].astype(np.float64) * scale * tensors[x]["scale"][0])
        activations.append(_ACTIVATIONS[operator["activation"]])
    folder = Path(out) / "c"
    folder.mkdir(parents=True, exist_ok=True)
    code = c_generate_net_loadable(activations, weights, biases, prefix="net")
    (folder / "peer_net.c").write_text(code, "utf-8")
    inputs, outputs = (tensors[network[end]]["shape"][-1] for end in ("input", "output"))
    for header in Path(emlearn.includedir).glob("eml_*.h"):
        shutil.copy(header, folder)
    values = {"dtype": "float32", "channels_first": False}
    content = {
        "as_published": "does not read .tflite",
        "include": [],
        "declare": "int32_t net_regress(const float *, int32_t, float *, int32_t);",
        "call": f"(void)net_regress((const float *)in, {inputs}, (float *)out, {outputs});",
        "scratch_bytes": 0,
        "input": values,
        "output": values,
    }
    (Path(out) / "peer.json").write_text(json.dumps(content), "utf-8")


if __name__ == "__main__":
    main()
