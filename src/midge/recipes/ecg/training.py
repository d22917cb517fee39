"""The training loop of both networks: balanced draws, augmentation, averaged weights, checkpoints.

Batches are drawn so that classes are even and no patient is alone in its class; what is drawn is
varied; the weights that are kept are a running mean over steps. A run that was killed goes on at
the epoch that it was in, and comes to the same weights as one that was not.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the conventional name
from torch import Tensor, nn

from midge.errors import UserError
from midge.recipes.ecg.beats import BeatSet
from midge.recipes.ecg.made_up_rhythms import COLUMNS, made_up_features
from midge.recipes.ecg.networks import BeatNetwork

Progress = Callable[[float, float, str], None]
"""(done, total, what) -> nothing."""
State = dict[str, Tensor]
"""Weights by name, as `state_dict` gives them."""


@dataclass(frozen=True)
class Plan:
    """How a network is trained. The values were chosen on five folds of DS1's patients.

    Attributes:
        epochs: Of `draws` beats each.
        draws: Beats of an epoch.
        batch: Beats of a step.
        rate: The largest learning rate, of one cycle.
        rhythm_rate: That of what sees features alone, in units of `rate`: these layers are small,
            and learn too little in the time that the convolutions take.
        decay: Weight decay.
        shares: Of N, S and V among what is drawn.
        patient_power: A patient with k beats of a class is drawn as often as k to this power says:
            0 is evenly over patients, 1 evenly over beats.
        smoothing: Of the labels.
        averaging: Of the weights that are kept: what stays of their mean at a step.
        fibrillation: Share of the N beats that get the rhythm of a made-up fibrillation.
        usual: Share of the N beats that get theirs in any other made-up rhythm.
        early: Share of the S beats that get theirs in one.
        gain: Standard deviation of the factor on a window.
        noise: Standard deviation of what is added to points of a window.
        jitter: Standard deviation of what is added to features.
        shift: Points by which windows are moved, at most.
    """

    epochs: int = 10
    draws: int = 9000
    batch: int = 128
    rate: float = 4e-3
    rhythm_rate: float = 3.0
    decay: float = 1e-2
    shares: tuple[float, float, float] = (0.6, 0.2, 0.2)
    patient_power: float = 0.5
    smoothing: float = 0.05
    averaging: float = 0.99
    fibrillation: float = 0.25
    usual: float = 0.15
    early: float = 0.30
    gain: float = 0.25
    noise: float = 0.04
    jitter: float = 0.04
    shift: int = 3

    @property
    def steps(self) -> int:
        """In all."""
        return self.epochs * (self.draws // self.batch)


@contextmanager
def repeatable(seed: int) -> Any:
    """One thread and deterministic operators: on the CPU the same seed gives the same weights.

    CUDA has no deterministic form of some of these operators; weights from there differ a little.

    Args:
        seed: Of PyTorch's own random numbers: first weights and dropout.
    """
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(not torch.cuda.is_available())
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


def train(
    make: Callable[[], BeatNetwork],
    beats: BeatSet,
    plan: Plan,
    *,
    seed: int,
    progress: Progress,
    checkpoint: Path,
) -> State:
    """Train a network.

    Args:
        make: The network with its first weights.
        beats: What to learn.
        plan: How.
        seed: Of everything random.
        progress: Is told after each epoch.
        checkpoint: A file that is written after each epoch, and gone on from where it is there.

    Returns:
        The weights, on the CPU.

    Raises:
        UserError: the checkpoint is of something else, or the loss is not finite.
    """
    with repeatable(seed):
        run = _Run(make, beats, plan, seed)
        run.resume(checkpoint)
        while run.epoch < plan.epochs:
            loss = run.one_epoch()
            run.save(checkpoint)
            what = f"epoch {run.epoch} of {plan.epochs}, loss {loss:.3f}"
            progress(run.epoch, plan.epochs, what)
        return {name: value.detach().cpu() for name, value in run.average.state_dict().items()}


class _Run:
    """A training in progress.

    Attributes:
        epoch: That are done.
        average: The network that is kept.
    """

    def __init__(
        self, make: Callable[[], BeatNetwork], beats: BeatSet, plan: Plan, seed: int
    ) -> None:
        self._plan = plan
        self._seed = seed
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._network = make().to(self._device).train()
        self.average = copy.deepcopy(self._network).eval()
        groups, rates = _groups(self._network, plan)
        self._optimizer = torch.optim.AdamW(groups, lr=plan.rate, weight_decay=plan.decay)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, rates, total_steps=plan.steps, pct_start=0.2
        )
        self._windows = torch.from_numpy(beats.windows)
        self._features = torch.from_numpy(beats.features)
        self._labels = torch.from_numpy(beats.labels)
        self._chances = torch.from_numpy(draw_chances(beats, plan))
        made_up = made_up_features()
        self._rhythms = (
            (0, plan.fibrillation, torch.from_numpy(made_up.fibrillation)),
            (0, plan.usual, torch.from_numpy(made_up.usual)),
            (1, plan.early, torch.from_numpy(made_up.early)),
        )
        self.epoch = 0

    def resume(self, checkpoint: Path) -> None:
        """Go on where a killed run was."""
        if not checkpoint.is_file():
            return
        try:
            kept = torch.load(checkpoint, weights_only=True, map_location=self._device)
            self._network.load_state_dict(kept["network"])
            self.average.load_state_dict(kept["average"])
            self._optimizer.load_state_dict(kept["optimizer"])
            self._schedule.load_state_dict(kept["schedule"])
            self.epoch = kept["epoch"]
        except Exception as error:  # torch names many kinds for a file that is none of its own
            raise UserError(
                f"{checkpoint}: is no checkpoint of this training ({type(error).__name__}); "
                "expected one that the same command left. Delete it and start again"
            ) from error

    def save(self, checkpoint: Path) -> None:
        """Keep the state; a kill leaves the file before or the file behind."""
        beside = checkpoint.with_suffix(".part")
        torch.save(
            {
                "network": self._network.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "schedule": self._schedule.state_dict(),
                "epoch": self.epoch,
            },
            beside,
        )
        beside.replace(checkpoint)

    def one_epoch(self) -> float:
        """Train for an epoch.

        Returns:
            the mean loss.
        """
        plan = self._plan
        # Each epoch has a seed of its own, so that one that is done again is the same.
        torch.manual_seed(self._seed * 1000 + self.epoch)
        random = torch.Generator().manual_seed(self._seed * 1000 + self.epoch)
        drawn = torch.multinomial(self._chances, plan.draws, replacement=True, generator=random)
        losses = []
        for batch in drawn.split(plan.batch)[: plan.draws // plan.batch]:
            labels = self._labels[batch]
            windows, features = self._varied(self._windows[batch], self._features[batch], labels,
                                             random)  # fmt: skip
            outputs = self._network(windows.to(self._device), features.to(self._device))
            loss = F.cross_entropy(outputs, labels.to(self._device), label_smoothing=plan.smoothing)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            self._schedule.step()
            self._follow()
            losses.append(loss.item())
        self.epoch += 1
        mean = float(np.mean(losses))
        if not np.isfinite(mean):
            raise UserError(
                f"training has come to a loss of {mean} in epoch {self.epoch}; expected a finite "
                "one. Look at the recordings for values that no lead gives"
            )
        return mean

    def _follow(self) -> None:
        """The kept weights go a little towards the trained ones; statistics of layers are taken."""
        with torch.no_grad():
            kept, trained = list(self.average.parameters()), list(self._network.parameters())
            torch._foreach_lerp_(kept, trained, 1 - self._plan.averaging)
            for own, other in zip(self.average.buffers(), self._network.buffers(), strict=True):
                own.copy_(other)

    def _varied(
        self, windows: Tensor, features: Tensor, labels: Tensor, random: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Other amplitudes, places, slopes and noise; now and then a made-up rhythm."""
        plan, count, points = self._plan, len(windows), windows.shape[-1]

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=random)

        shift = int(torch.randint(-plan.shift, plan.shift + 1, (1,), generator=random))
        moved = torch.roll(windows, shift, 3) * (1 + plan.gain * normal(count, 1, 1, 1))
        slope = 2 * plan.noise * normal(count, 1, 1, 1) * torch.linspace(-1, 1, points)
        level = 1.5 * plan.noise * normal(count, 1, 1, 1)
        noise = plan.noise * normal(count, 1, 1, points)
        varied = features + plan.jitter * normal(*features.shape)
        lot = torch.rand(count, generator=random)
        for label, share, rhythms in self._rhythms:
            # Below zero the beat has a rhythm already.
            at = ((lot >= 0) & (lot < share) & (labels == label)).nonzero()[:, 0]
            rows = torch.randint(0, len(rhythms), (len(at),), generator=random)
            varied[at[:, None], torch.tensor(COLUMNS)[None]] = rhythms[rows]
            lot = torch.where(labels == label, lot - share, lot)
        return moved + slope + level + noise, varied


def _groups(network: BeatNetwork, plan: Plan) -> tuple[list[dict[str, Any]], list[float]]:
    """Parameters that are learnt at the same rate, and these rates."""
    quick = network.of_rhythm()
    known = {id(parameter) for parameter in quick}
    rest = [p for p in network.parameters() if id(p) not in known]
    return [{"params": rest}, {"params": quick}], [plan.rate, plan.rate * plan.rhythm_rate]


def draw_chances(beats: BeatSet, plan: Plan) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How likely each beat is drawn, float64 [n], summing to 1.

    Args:
        beats: What is drawn from.
        plan: Shares of classes, and how patients share in these.
    """
    chances = np.zeros(len(beats.labels))
    for label, share in enumerate(plan.shares):
        of_class = beats.labels == label
        for patient in np.unique(beats.patients[of_class]):
            own = of_class & (beats.patients == patient)
            chances[own] = float(own.sum()) ** (plan.patient_power - 1)
        total = chances[of_class].sum()
        if total:
            chances[of_class] *= share / total
    normalised: np.ndarray[Any, np.dtype[np.float64]] = chances / chances.sum()
    return normalised


def scores_of(network: nn.Module, state: State, windows: Any, features: Any) -> Any:
    """What a network makes of beats.

    Args:
        network: Of the weights' shape.
        state: Its weights.
        windows: float32 [n, 1, 1, w].
        features: float32 [n, f].

    Returns:
        float32 [n, 3].
    """
    network.load_state_dict(state)
    network.eval()
    parts = [np.zeros((0, 3), np.float32)]
    with repeatable(0), torch.no_grad():
        for begin in range(0, len(windows), 2048):
            cut = slice(begin, begin + 2048)
            given = (torch.from_numpy(windows[cut]), torch.from_numpy(features[cut]))
            parts.append(network(*given).numpy())
    return np.concatenate(parts)
