"""The two networks that judge heartbeats, and what the chain hands to them.

Both give scores of N, S and V. In both, N against S is decided by the rhythm and by how far the
beat is from the patient's own template; the signal's shape speaks for V alone. DS1 has 950 S beats
of a dozen patients: a network that sees their shapes learns the patients by heart. On five folds of
DS1's patients, the average precision of S fell from 0.48 to 0.27 when the shape had a say in it,
and is higher where what decides N and S is learnt for that alone (docs/ecg-learning.md).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from midge.recipes.ecg.detector import ecg_chain
from midge.recipes.ecg.records import RATE_HZ
from midge.signals import Chain

SAID = ("N", "S", "V")
"""What the networks tell apart, in the order of their scores."""
FEATURES = (
    "rr_before_to_local",
    "rr_after_to_local",
    "rr_previous_to_local",
    "rr_before_to_after",
    "rr_before_to_basic",
    "rr_local_to_basic",
    "rr_usual_change",
    "rr_novelty",
    "template_before",
    "template_at",
    "template_after",
)
"""In the order in which the networks take their codes."""
WINDOW_STRIDE = 2
"""Inner samples between points: 90 Hz. A QRS has nothing of use to a network above 45 Hz."""
INPUT_CODES = {"window": (1 / 96, 0), "features": (1 / 64, 0)}
"""Scale and zero point with which codes come out of the chain: 1.0 is the patient's usual height
from the lowest to the highest point, or a ratio's distance from equality."""
WAVE_POINTS = 180
"""Of what the cloud sees: two seconds at 90 Hz."""


def device_chain(rate_hz: int = RATE_HZ) -> Chain:
    """The chain of `ecg_chain` with the window and the features of the networks.

    Args:
        rate_hz: Of the samples.
    """
    chain = ecg_chain(rate_hz, FEATURES)
    window = chain.window
    points = (window.count + WINDOW_STRIDE - 1) // WINDOW_STRIDE
    return replace(chain, window=replace(window, count=points, stride=WINDOW_STRIDE))


class BeatNetwork(nn.Module):
    """Convolutions over a signal, and dense layers over the features' codes.

    N and S are scored from the features; V from both.

    Attributes:
        rhythm: What sees the features, for all scores.
        shape: What sees the signal.
        beside: What sees the features for the sake of V alone.
        both: What sees what these two have made.
        usual: Scores of N and S.
        ventricular: The score of V.
    """

    def __init__(
        self, channels: tuple[int, ...], hidden: int, *, layers: int = 1, dropout: float = 0.2
    ) -> None:
        """Build it.

        Args:
            channels: Of the convolutions, each of which halves the rate.
            hidden: Width of the dense layers.
            layers: Of the part that sees the features.
            dropout: Of what enters `both`.
        """
        super().__init__()
        before = 1
        blocks: list[nn.Module] = []
        for number, width in enumerate(channels):
            taps = 7 if number == 0 else 5
            blocks += [
                nn.Conv2d(before, width, (1, taps), stride=(1, 2), padding=(0, taps // 2)),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            before = width
        self.shape = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.rhythm = _dense(hidden, layers)
        self.beside = _dense(hidden, layers)
        self.both = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(before + hidden, hidden), nn.ReLU()
        )
        self.usual = nn.Linear(hidden, 2)
        self.ventricular = nn.Linear(2 * hidden, 1)

    def forward(self, window: Tensor, features: Tensor) -> Tensor:
        """Scores before softmax.

        Args:
            window: float32 [n, 1, 1, w], the signal.
            features: float32 [n, f], real values of the codes.

        Returns:
            float32 [n, 3]: N, S, V.
        """
        rhythm = self.rhythm(features)
        both = self.both(torch.cat([self.shape(window), self.beside(features)], 1))
        ventricular = self.ventricular(torch.cat([rhythm, both], 1))
        return torch.cat([self.usual(rhythm), ventricular], 1)

    def of_rhythm(self) -> list[nn.Parameter]:
        """The parameters that see nothing but features: what decides N and S."""
        return [*self.rhythm.parameters(), *self.usual.parameters()]


def _dense(hidden: int, layers: int) -> nn.Sequential:
    """Layers over the features."""
    dense: list[nn.Module] = []
    seen = len(FEATURES)
    for _ in range(layers):
        dense += [nn.Linear(seen, hidden), nn.ReLU()]
        seen = hidden
    return nn.Sequential(*dense)


def device_network() -> BeatNetwork:
    """What goes onto the wrist: 3,900 parameters, 32,000 multiplications a beat."""
    return BeatNetwork((8, 16, 24), 16)


def cloud_network() -> BeatNetwork:
    """A member of what confirms: 45,000 parameters, for two seconds of the raw signal."""
    return BeatNetwork((24, 48, 96), 64, layers=2, dropout=0.4)


def parameter_count(network: nn.Module) -> int:
    """Trained numbers of a network."""
    return sum(p.numel() for p in network.parameters())
