"""The network that hears which part of a bearing is worn, and its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from midge.graph import Array
from midge.recipes.vibration.front_end import MEAN_CODE, WINDOW, Windows
from midge.recipes.vibration.recordings import CLASSES

BATCH = 64
RATE = 2e-3
SMOOTHING = 0.1

Labels = npt.NDArray[np.int64]
Progress = Callable[[float, float, str], None]


class BearingNetwork(nn.Module):
    """Three convolutions along the envelope, a mean over time, one score a class."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv1d(1, 8, 15, stride=2, padding=7), nn.ReLU()),
            *(nn.Conv1d(8, 16, 15, stride=4, padding=7), nn.ReLU()),
            *(nn.Conv1d(16, 24, 9, stride=4, padding=4), nn.ReLU()),
            *(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(24, len(CLASSES))),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores [k, classes] of windows [k, 1, WINDOW]."""
        scores: torch.Tensor = self.layers(x)
        return scores


def as_input(windows: Windows) -> npt.NDArray[np.float32]:
    """Windows int8 [k, WINDOW] as the network takes them, float32 [k, 1, WINDOW]."""
    return (windows.astype(np.float32) / np.float32(MEAN_CODE)).reshape(-1, 1, WINDOW)


def train(
    windows: Windows, labels: Labels, *, seed: int, epochs: int, progress: Progress
) -> BearingNetwork:
    """Train from scratch; classes count the same however many windows they have.

    Args:
        windows: int8 [k, WINDOW].
        labels: int64 [k], indices into `CLASSES`.
        seed: Of the weights and of the order.
        epochs: Passes over the windows.
        progress: Told how far it is.

    Returns:
        the network in evaluation mode; one seed gives the same weights.
    """
    torch.manual_seed(seed)
    network = BearingNetwork()
    x, y = torch.from_numpy(as_input(windows)), torch.from_numpy(labels)
    counts = np.bincount(labels, minlength=len(CLASSES))
    weights = torch.tensor(counts.sum() / np.maximum(counts, 1) / len(CLASSES))
    entropy = nn.CrossEntropyLoss(weight=weights.float(), label_smoothing=SMOOTHING)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    for epoch in range(epochs):
        order = torch.randperm(len(y))
        for at in range(0, len(order), BATCH):
            chosen = order[at : at + BATCH]
            loss = entropy(network(x[chosen]), y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            progress(epoch + at / len(order), epochs, f"epoch {epoch + 1} of {epochs}")
    network.eval()
    return network


def with_weights(weights: Mapping[str, Array]) -> BearingNetwork:
    """The network of a state dict's arrays, in evaluation mode."""
    network = BearingNetwork()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    network.eval()
    return network


def scores_of(network: BearingNetwork, windows: Windows) -> npt.NDArray[np.float32]:
    """The float network's scores, float32 [k, classes]."""
    with torch.no_grad():
        found: npt.NDArray[np.float32] = network(torch.from_numpy(as_input(windows))).numpy()
    return found
