"""Real modules: what PyTorch exports comes to stand channels last, without transposes."""

from __future__ import annotations

import numpy as np
import pytest

from midge.passes.to_channels_last import to_channels_last
from support.channels_first import kinds, run_as_source, transposes


@pytest.mark.parametrize("name", ["ds_cnn", "mobilenet_v2", "resnet8", "cnn_1d"])
def test_networks_of_convolutions_have_no_transposes(name: str) -> None:
    torch = pytest.importorskip("torch")
    from midge.importers.torch_export import import_module
    from support.torch_networks import seeded

    module, example = seeded(name)
    module.eval()
    source = import_module(module, (example,))
    after = to_channels_last(source)
    assert transposes(source)
    assert not transposes(after)
    assert not {"mul", "relu", "relu6"} & set(kinds(after))
    (x,), (y,) = after.inputs, after.outputs
    found = run_as_source(after, {x: example.numpy()})[y]
    with torch.no_grad():
        expected = module(example).numpy()
    assert float(np.abs(found - expected).max()) <= 1e-5 * float(np.abs(expected).max())


def test_attention_keeps_those_of_its_heads_alone() -> None:
    pytest.importorskip("torch")
    from midge.importers.torch_export import import_module
    from support.torch_networks import seeded

    module, example = seeded("tiny_transformer")
    after = to_channels_last(import_module(module.eval(), (example,)))
    # Queries, keys, values, and the way back, of each layer.
    matrices = kinds(after).count("batch_matmul")
    assert 0 < len(transposes(after)) <= 2 * matrices
    assert {"layer_norm", "softmax"} <= set(kinds(after))
