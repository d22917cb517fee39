"""PyTorch's own loaders as samples: what they give is taken batch by batch."""

from __future__ import annotations

import numpy as np
import pytest
from float_networks import Layers

from midge.compress import take_samples
from midge.graph import DType


def test_a_loader_of_pytorch_and_its_tensors() -> None:
    torch = pytest.importorskip("torch")
    net = Layers()
    image = net.builder.input("x", (1, 4, 3, 2), DType.FLOAT32)
    graph = net.graph("image", [image], [net.conv("conv", image, 2)])
    x = torch.randn(10, 4, 3, 2)
    y = torch.arange(10)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=4)
    taken = take_samples(graph, loader)
    assert len(taken) == 10
    assert taken.labels is not None
    assert taken.labels.tolist() == list(range(10))
    assert np.array_equal(taken.samples[7]["x"][0], x[7].numpy())
