"""distill: a small network learns from a large one what labels do not say.

Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the conventional name
from torch import Tensor, nn

from midge.errors import UserError

TaskLoss = Callable[[Tensor, Tensor], Tensor]
"""(outputs, labels) -> a scalar."""


def distillation_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor | None = None,
    *,
    temperature: float = 4.0,
    alpha: float = 0.5,
    task_loss: TaskLoss | None = None,
) -> Tensor:
    """What a student is to minimise, in a loop of one's own.

    ``alpha * temperature**2 * KL(teacher || student) + (1 - alpha) * task_loss``, both
    distributions softened: softmax of the outputs over the temperature.

    Args:
        student: Outputs before softmax, float [n, classes].
        teacher: Of the teacher, likewise; no gradient passes to it.
        labels: Integers [n]; without them the teacher alone is followed.
        temperature: Over 0.
        alpha: The teacher's share, from 0 to 1.
        task_loss: Of outputs and labels; cross entropy where left out.

    Returns:
        A scalar.

    Raises:
        UserError: shapes differ, or a number is out of its range.
    """
    if not temperature > 0:
        raise UserError(f"temperature is {temperature!r}; expected over 0")
    if not 0 <= alpha <= 1:
        raise UserError(f"alpha is {alpha!r}; expected from 0 to 1")
    if student.shape != teacher.shape or student.ndim < 2:
        raise UserError(
            f"outputs of the student are {list(student.shape)} and of the teacher "
            f"{list(teacher.shape)}; expected the same [n, classes]"
        )
    soft = F.kl_div(
        F.log_softmax(student / temperature, -1),
        F.log_softmax(teacher.detach() / temperature, -1),
        reduction="batchmean",
        log_target=True,
    )
    followed = temperature**2 * soft
    if labels is None:
        return followed
    own = (task_loss or F.cross_entropy)(student, labels)
    return alpha * followed + (1 - alpha) * own


def distill(
    teacher: nn.Module,
    student: nn.Module,
    loader: Iterable[Any],
    *,
    temperature: float = 4.0,
    alpha: float = 0.5,
    epochs: int = 10,
    steps: int | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    scheduler: Any = None,
    task_loss: TaskLoss | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train a student in place on what a teacher gives.

    Args:
        teacher: Runs in evaluation mode without gradients, and is left in the mode that it is in.
        student: Any module of the same interface: a pruned copy, a smaller design, or the module
            of `quantization_aware`. It is left in evaluation mode.
        loader: Yields inputs, or pairs of inputs and labels, in batches; gone through once an
            epoch. The inputs of a module of several are a tuple.
        temperature: As of `distillation_loss`.
        alpha: As of `distillation_loss`.
        epochs: Passes over the loader.
        steps: Batches in all, instead of `epochs`.
        optimizer: Of the student's parameters; AdamW at 1e-3 where left out.
        scheduler: Steps once a batch.
        task_loss: As of `distillation_loss`.
        on_epoch: Is told the epoch's number, from 0 on, and its mean loss.

    Returns:
        The mean loss of each epoch.

    Raises:
        UserError: the loader gives nothing, or the loss is not finite.
    """
    if (steps if steps is not None else epochs) < 1:
        raise UserError(f"{epochs if steps is None else steps} of training; expected at least 1")
    chosen = optimizer or torch.optim.AdamW(student.parameters(), lr=1e-3)
    modes = [(part, part.training) for part in teacher.modules()]
    teacher.eval()
    student.train()
    means: list[float] = []
    left = steps
    try:
        while left is None or left > 0:
            losses = []
            for inputs, labels in _batches(loader, left):
                with torch.no_grad():
                    wanted = teacher(*inputs)
                chosen.zero_grad()
                loss = distillation_loss(
                    student(*inputs),
                    wanted,
                    labels,
                    temperature=temperature,
                    alpha=alpha,
                    task_loss=task_loss,
                )
                loss.backward()
                chosen.step()
                if scheduler is not None:
                    scheduler.step()
                losses.append(loss.item())
                if not loss.isfinite():
                    raise UserError(
                        f"the student's loss is {losses[-1]} in epoch {len(means)}; train with a "
                        "lower rate"
                    )
            if not losses:
                raise UserError(
                    "the loader gives no batch; expected inputs, or pairs of inputs and labels, "
                    "anew in each epoch"
                )
            means.append(sum(losses) / len(losses))
            if on_epoch is not None:
                on_epoch(len(means) - 1, means[-1])
            if left is not None:
                left -= len(losses)
            elif len(means) == epochs:
                break
    finally:
        for part, mode in modes:
            part.training = mode
        student.eval()
    return means


def _batches(
    loader: Iterable[Any], most: int | None
) -> Iterator[tuple[tuple[Tensor, ...], Tensor | None]]:
    """Inputs and labels of each batch."""
    for number, batch in enumerate(loader):
        if number == most:
            return
        if isinstance(batch, Tensor):
            yield (batch,), None
        elif isinstance(batch, list | tuple) and len(batch) in (1, 2):
            inputs, *labels = batch
            several = isinstance(inputs, list | tuple)
            yield tuple(inputs) if several else (inputs,), labels[0] if labels else None
        else:
            raise UserError(
                f"the loader gives {type(batch).__name__}; expected inputs, or pairs of inputs and "
                "labels"
            )
