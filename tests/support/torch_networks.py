"""Six networks of micro size, as users of PyTorch write them.

Importing this module imports PyTorch: tests do it inside functions, or in modules that the rest of
the suite does not collect.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


class DsCnn(nn.Module):
    """Depthwise separable convolutions over an image [n, 1, 8, 8] of a digit or a spectrogram."""

    def __init__(self, classes: int = 10, channels: int = 16, blocks: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(),
                    nn.Conv2d(channels, channels, 1, bias=False),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(),
                )
                for _ in range(blocks)
            )
        )
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        features = self.blocks(self.stem(x)).mean(dim=(2, 3))
        return self.classifier(self.dropout(features))


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; added to the input where shapes allow it."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        layers: list[nn.Module] = []
        if expand != 1:
            layers += [
                nn.Conv2d(inputs, hidden, 1, bias=False),
                nn.BatchNorm2d(hidden),
                nn.ReLU6(inplace=True),
            ]
        layers += [
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.is_residual else self.conv(x)


class MobileNetV2Micro(nn.Module):
    """MobileNetV2 of width 0.25 with fewer blocks, over images [n, 1, 8, 8]."""

    def __init__(self, classes: int = 10, width: float = 0.25) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return max(4, int(channels * width + 2) // 4 * 4)

        # Expansion, channels, blocks, stride of the first: the first four rows of the paper's
        # table 2, with strides for small images.
        settings = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 2, 2), (6, 64, 2, 1))
        channels = scaled(32)
        features: list[nn.Module] = [
            nn.Sequential(
                nn.Conv2d(1, channels, 3, 1, 1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU6(inplace=True),
            )
        ]
        for expand, base, count, stride in settings:
            for i in range(count):
                outputs = scaled(base)
                first = stride if i == 0 else 1
                features.append(InvertedResidual(channels, outputs, first, expand))
                channels = outputs
        last = scaled(128)
        features.append(
            nn.Sequential(
                nn.Conv2d(channels, last, 1, bias=False),
                nn.BatchNorm2d(last),
                nn.ReLU6(inplace=True),
            )
        )
        self.features = nn.Sequential(*features)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.pool(self.features(x)), 1))


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet8(nn.Module):
    """MLPerf Tiny's ResNet-8 with fewer channels, over images [n, 1, 8, 8]."""

    def __init__(self, classes: int = 10, channels: int = 8) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.layer1 = BasicBlock(channels, channels, 1)
        self.layer2 = BasicBlock(channels, 2 * channels, 2)
        self.layer3 = BasicBlock(2 * channels, 4 * channels, 2)
        self.pool = nn.AvgPool2d(2)
        self.fc = nn.Linear(4 * channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn(self.conv(x)))
        y = self.layer3(self.layer2(self.layer1(y)))
        return self.fc(self.pool(y).flatten(1))


class Cnn1d(nn.Module):
    """Convolutions over a signal [n, leads, samples], such as a heartbeat."""

    def __init__(self, classes: int = 5, leads: int = 1, channels: int = 8) -> None:
        super().__init__()
        widths = (leads, channels, 2 * channels, 4 * channels)
        self.features = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv1d(widths[i], widths[i + 1], 7, stride=2, padding=3),
                    nn.BatchNorm1d(widths[i + 1]),
                    nn.ReLU(),
                    nn.MaxPool1d(2),
                )
                for i in range(3)
            )
        )
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(widths[3], classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class GruSpotter(nn.Module):
    """A GRU over frames [n, steps, features]; the answer is that of the last step."""

    def __init__(self, classes: int = 5, features: int = 10, units: int = 24) -> None:
        super().__init__()
        self.frontend = nn.Linear(features, units)
        self.gru = nn.GRU(units, units, batch_first=True)
        self.classifier = nn.Linear(units, classes)

    def forward(self, x: Tensor) -> Tensor:
        steps, _ = self.gru(torch.relu(self.frontend(x)))
        return self.classifier(steps[:, -1])


class TinyTransformer(nn.Module):
    """A transformer encoder over frames [n, steps, features] with learned positions."""

    def __init__(
        self,
        classes: int = 5,
        features: int = 10,
        steps: int = 16,
        width: int = 16,
        heads: int = 2,
        layers: int = 2,
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(features, width)
        self.position = nn.Parameter(torch.randn(1, steps, width) / math.sqrt(width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout=0.1, activation="gelu", batch_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.encoder(self.embed(x) + self.position)
        return self.classifier(self.norm(tokens.mean(dim=1)))


@dataclass(frozen=True)
class Network:
    """A network and the shape of one sample.

    Attributes:
        make: An untrained module; its numbers follow from PyTorch's seed.
        sample: Of an input, without the batch.
    """

    make: Callable[[], nn.Module]
    sample: tuple[int, ...]


NETWORKS: dict[str, Network] = {
    "ds_cnn": Network(DsCnn, (1, 8, 8)),
    "mobilenet_v2": Network(MobileNetV2Micro, (1, 8, 8)),
    "resnet8": Network(ResNet8, (1, 8, 8)),
    "cnn_1d": Network(Cnn1d, (1, 256)),
    "gru_spotter": Network(GruSpotter, (16, 10)),
    "tiny_transformer": Network(TinyTransformer, (16, 10)),
}


def seeded(name: str, seed: int = 0) -> tuple[nn.Module, Tensor]:
    """A network in evaluation mode whose statistics are not those of a fresh one, and a sample."""
    torch.manual_seed(seed)
    network = NETWORKS[name]
    module = network.make()
    module.train()
    with torch.no_grad():
        for _ in range(3):
            module(2 * torch.randn(8, *network.sample) + 0.3)
    module.eval()
    return module, torch.randn(1, *network.sample)
