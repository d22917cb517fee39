"""Trains the six networks of the accuracy table, as their users would."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bench import accuracy_data
from bench.accuracy_data import Float32Array, Fold, LabelArray, digits, heartbeats
from bench.mlperf_tiny import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests"))

from support import torch_networks
from support.torch_networks import NETWORKS, Cnn1d, GruSpotter, TinyTransformer

_IMAGES = ("ds_cnn", "mobilenet_v2", "resnet8")
_EPOCHS = {
    **{"ds_cnn": 30, "mobilenet_v2": 40, "resnet8": 30},
    **{"cnn_1d": 10, "gru_spotter": 20, "tiny_transformer": 20},
}
_BATCH = 64
_RATE = 3e-3


def fold_for(name: str, seed: int) -> Fold:
    """The data of a network: another fold for each seed.

    Returns:
        Inputs in the network's own shape.
    """
    if name in _IMAGES:
        return digits(seed)
    if name == "cnn_1d":
        return heartbeats(seed, 256, decimation=1)
    fold, shape = heartbeats(seed, 160, decimation=2), (-1, 16, 10)
    return Fold(fold.x_train.reshape(shape), fold.y_train, fold.x_test.reshape(shape), fold.y_test)


def trained(name: str, fold: Fold, seed: int) -> nn.Module:
    """A network of `NETWORKS`, trained from scratch; in evaluation mode.

    It is kept under ``build/accuracy``: both ways to int8 start from the same weights.
    """
    torch.manual_seed(seed)
    module = NETWORKS[name].make() if name in _IMAGES else _two_classes(name)
    kept = REPOSITORY / "build" / "accuracy" / f"{name}-{seed}-{_recipe_digest()}.pt"
    if kept.is_file():
        module.load_state_dict(torch.load(kept, weights_only=True))
        return module.eval()
    fit(module, fold, seed, epochs=_EPOCHS[name], rate=_RATE)
    kept.parent.mkdir(parents=True, exist_ok=True)
    torch.save(module.state_dict(), kept)
    return module.eval()


def _recipe_digest() -> str:
    """Of everything that decides what training gives."""
    sources = (Path(__file__), Path(accuracy_data.__file__), Path(torch_networks.__file__))
    content = b"".join(path.read_bytes() for path in sources)
    return hashlib.sha256(content + torch.__version__.encode()).hexdigest()[:12]


def _two_classes(name: str) -> nn.Module:
    makers: dict[str, Callable[[], nn.Module]] = {
        "cnn_1d": lambda: Cnn1d(classes=2),
        "gru_spotter": lambda: GruSpotter(classes=2),
        "tiny_transformer": lambda: TinyTransformer(classes=2),
    }
    return makers[name]()


def fit(
    module: nn.Module,
    fold: Fold,
    seed: int,
    *,
    epochs: int,
    rate: float,
    loss_of: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
) -> None:
    """Train a module in place: AdamW, one cycle, classes weighted by their rarity.

    Args:
        module: Any module of the network's interface.
        fold: The data.
        seed: Of the order of samples.
        epochs: Passes over the data.
        rate: The largest learning rate.
        loss_of: (inputs, outputs, labels) -> loss; cross entropy when None.
    """
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.from_numpy(fold.x_train), torch.from_numpy(fold.y_train)
    counts = np.bincount(fold.y_train)
    weights = torch.tensor(np.sqrt(counts.max() / counts), dtype=torch.float32)
    entropy = nn.CrossEntropyLoss(weight=weights)
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=1e-3)
    steps = epochs * -(-len(x) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        for batch in order.split(_BATCH):
            optimizer.zero_grad()
            outputs = module(x[batch])
            loss = entropy(outputs, y[batch])
            if loss_of is not None:
                loss = loss_of(x[batch], outputs, y[batch])
            loss.backward()
            optimizer.step()
            schedule.step()


def logits(module: nn.Module, x: Float32Array) -> Float32Array:
    """Outputs of a module in evaluation mode, float32 [n, classes]."""
    with torch.no_grad():
        return np.concatenate([module(part).numpy() for part in torch.from_numpy(x).split(256)])


def accuracy(outputs: Float32Array, labels: LabelArray) -> float:
    """Share of samples whose largest output is the label's, in percent."""
    return float(100 * np.mean(outputs.argmax(axis=1) == labels))
