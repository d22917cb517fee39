"""quantization_aware: a float model whose training knows of the integers that it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from midge.compress import take_samples
from midge.driver.quantize import Package, float_graph, settings_of
from midge.errors import ToolError

if TYPE_CHECKING:
    from midge.compress.torch_aware import FakeQuantized
    from midge.compress.torch_quantizer import AwareTraining


@dataclass(frozen=True)
class QuantizationAware:
    """A network in training for its integers: train `module`, then `convert`.

    Attributes:
        training: The module, and what the package is made from.
        target: What it is made for; None where nothing was said.
    """

    training: AwareTraining
    target: str | None = None

    @property
    def module(self) -> FakeQuantized:
        """The `torch.nn.Module` to train, by any loop: it takes and gives what the model does."""
        return self.training.module

    def convert(
        self,
        target: str | None = None,
        *,
        evaluation: object = None,
        evaluation_labels: object = None,
        explained: bool = True,
    ) -> Package:
        """The package that `quantize` would give, of the trained network.

        Args:
            target: A core or a board; the report then compares the emulated device as well. What
                `quantization_aware` was told where left out.
            evaluation: Samples for the report's figures, in the forms that `quantize` takes; the
                calibration samples where left out.
            evaluation_labels: Their classes.
            explained: As of `quantize`.

        Raises:
            UserError: samples do not fit, or training has left numbers that are not finite.
        """
        chosen = target or self.target
        judged = None
        if evaluation is not None:
            judged = take_samples(
                self.training.reference, evaluation, evaluation_labels, "evaluation samples"
            )
        made = self.training.finish(judged, explained=explained)
        package = Package(
            made.graph, made.report, made.reference, judged or self.training.samples, chosen
        )
        return package if chosen is None else package.with_device()


def quantization_aware(
    model: object,
    calibration: object,
    *,
    target: str | None = None,
    labels: object = None,
    example_inputs: tuple[Any, ...] | None = None,
    learn_ranges: bool = True,
    **settings: Any,
) -> QuantizationAware:
    """A module that computes as its integers will, for a training loop of one's own.

    Every model that `quantize` takes is trained in the same way, by the same rules for the same
    codes: convolutions, recurrent layers, normalisation and attention. Training starts from what
    quantisation after training gives; a few epochs at a tenth of the first learning rate are
    usual. Let the rate fall to nothing towards the end: weights between two codes otherwise go on
    jumping from one to the other, those of int4 most of all. Batch normalisation is folded before,
    and dropout is left out, so that ``module.train()`` and ``module.eval()`` are the same.

    Args:
        model: As of `quantize`: a trained float model.
        calibration: As of `quantize`; the first ranges are taken from it.
        target: As of `quantize`.
        labels: As of `quantize`; for the report.
        example_inputs: As of `quantize`.
        learn_ranges: Ranges of activations are trained along with the weights.
        **settings: As of `quantize`.

    Returns:
        An object with the `module` to train, and `convert` for the package.

    Raises:
        UserError: samples or settings do not fit, or the model keeps state.
        UnsupportedError: operators cannot be imported, have no integer form, or none that training
            passes through; all are named.
        ToolError: PyTorch is not installed.
    """
    try:
        # Here, because the package is an extra and takes a while to be imported.
        from midge.compress.torch_quantizer import begin_training  # noqa: PLC0415
    except ImportError:
        raise ToolError(
            'PyTorch is not installed; expected for training: pip install "midge[torch]"'
        ) from None
    chosen = settings_of(settings)
    graph = float_graph(model, calibration, example_inputs)
    samples = take_samples(graph, calibration, labels)
    return QuantizationAware(
        begin_training(graph, samples, chosen, learn_ranges=learn_ranges), target
    )
