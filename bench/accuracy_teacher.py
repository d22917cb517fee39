"""The loss of training that is to keep a network what it is: likeness to its float form."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

import midge


def likeness_to(teacher: nn.Module) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A loss for `bench.accuracy_training.fit`: how unlike the teacher's outputs are.

    Labels are not looked at: training on would change the network, and the difference to float
    would no longer be that of quantisation.

    Args:
        teacher: In evaluation mode.
    """

    def loss(inputs: Tensor, outputs: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG001 - see above
        with torch.no_grad():
            right = teacher(inputs)
        return midge.distillation_loss(outputs, right, temperature=2.0)

    return loss
