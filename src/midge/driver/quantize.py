"""quantize: from a float model and some of its data to integers that are ready to run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from midge.compress import (
    QuantizeSettings,
    Report,
    Samples,
    quantize_graph,
    take_samples,
)
from midge.compress.evaluate import stored_inputs, to_real
from midge.compress.measure import Answers, accuracy, agreement, answers_of
from midge.compress.pictures import pictures_of
from midge.compress.samples import source_array
from midge.driver.artifact import Artifact
from midge.driver.main_path import compile_graph, load, save
from midge.errors import UserError
from midge.graph import Graph
from midge.passes.to_channels_last import to_channels_last
from midge.report import render_quantization_html, render_quantization_text

MOST_INSTRUCTIONS = 4e9
"""That the virtual microcontroller runs for the report: under a minute, and of networks under a
million instructions thousands of samples."""
LEAST_ON_DEVICE = 16
"""Samples, however many instructions they take."""


@dataclass(frozen=True)
class Package:
    """A quantised network with what is known of it.

    Attributes:
        graph: Of integers.
        report: What quantisation cost, and where.
        reference: The float network, in the same layout.
        evaluation: What the report's figures are of.
        target: What it was made for; None where nothing was said.
    """

    graph: Graph
    report: Report
    reference: Graph
    evaluation: Samples
    target: str | None = None

    def save(self, path: str | Path) -> None:
        """Write the network as a .midge file.

        Raises:
            UserError: the name does not end in .midge, or the file cannot be written.
        """
        save(self.graph, path)

    def compile(self, target: str | None = None, **options: Any) -> Artifact:
        """Compile for a core or a board.

        Args:
            target: A name that `midge targets` lists; what `quantize` was told where left out.
            **options: As of `midge.compile`.

        Raises:
            UserError: there is no target, or an option is at fault.
            DoesNotFitError: the board is too small.
            ToolError: the C compiler is missing or fails.
        """
        chosen = target or self.target
        if chosen is None:
            raise UserError("no target is given: package.compile('cortex-m4'), for example")
        return compile_graph(self.graph, target=chosen, **options)

    def run(self, samples: object) -> Any:
        """What the network of integers makes of real numbers, by the interpreter.

        Args:
            samples: As for calibration: an array [N, ...] in the source's order of dimensions.

        Returns:
            Real numbers, float64 [N, ...] in the source's order of dimensions, the network's own
            batch of one left out; by output's name where there are several.
        """
        taken = take_samples(self.reference, samples, what="samples")
        return self._in_source_form(answers_of(self.graph, taken))

    def run_on_device(self, samples: object, target: str | None = None) -> Any:
        """What the emulated device makes of real numbers: as `run` gives it, bit for bit.

        Args:
            samples: As for `run`.
            target: As for `compile`.
        """
        taken = take_samples(self.reference, samples, what="samples")
        return self._in_source_form(device_answers(self.compile(target), taken))

    def _in_source_form(self, answers: Answers) -> Any:
        """As the model that was quantised gives its outputs for a batch."""
        values = {
            name: source_array(self.reference, name, list(rows))
            for name, rows in answers.values.items()
        }
        return values if len(values) > 1 else next(iter(values.values()))

    def with_device(self, target: str | None = None) -> Package:
        """The package with the report's comparison to the emulated device, on the same samples.

        Of a network that takes so many instructions that they would not be done in a minute, fewer
        samples run, and a note in the report says how many.

        Args:
            target: As for `compile`.
        """
        artifact = self.compile(target)
        count = artifact.run().instructions
        most = max(LEAST_ON_DEVICE, int(MOST_INSTRUCTIONS / max(count, 1)))
        judged = self.evaluation.at_most(most, stream=bool(self.graph.variables))
        device = device_answers(artifact, judged)
        alike = agreement(answers_of(self.graph, judged), device)
        report = self.report.with_device(alike, accuracy(device, judged.labels))
        if len(judged) < len(self.evaluation):
            note = f"the device ran {len(judged)} of the {len(self.evaluation)} samples"
            report = replace(report, notes=(*report.notes, note))
        return replace(self, report=report, target=target or self.target)

    @cached_property
    def text(self) -> str:
        """The report for a terminal."""
        return render_quantization_text(self.report.to_json())

    @cached_property
    def html(self) -> str:
        """The report as a page with pictures, for a browser; runs both networks once more."""
        pictures = pictures_of(self.graph, self.evaluation, self.reference)
        return render_quantization_html({**self.report.to_json(), "pictures": pictures})


def quantize(
    model: object,
    calibration: object,
    *,
    target: str | None = None,
    labels: object = None,
    evaluation: object = None,
    evaluation_labels: object = None,
    example_inputs: tuple[Any, ...] | None = None,
    streaming: bool = False,
    explained: bool = True,
    **settings: Any,
) -> Package:
    """Quantise a float network after training.

    Args:
        model: A graph, the path of a .onnx, .pt2, .tflite or .midge file, a `torch.nn.Module`, or
            an `ExportedProgram` of torch.export.
        calibration: Samples that are like those the network will meet, a few hundred: an array
            [N, ...] in the model's own order of dimensions; arrays by input's name; or something
            that yields either, or (x, y) pairs, as a loader of PyTorch does.
        target: A core or a board; the report then compares the emulated device as well.
        labels: Integers [N], the class of each calibration sample; pairs bring theirs along.
        evaluation: Other samples for the report's figures, in the same forms.
        evaluation_labels: Their classes.
        example_inputs: Of a module, what `torch.export.export` takes; one sample of the calibration
            samples where left out.
        streaming: Recurrent layers of a module begin where the last call left off; samples are then
            one stream.
        explained: Measure what single layers cost and what would give it back; takes most of the
            time.
        **settings: Fields of `QuantizeSettings`: weights="int4", activations="int16",
            observer="percentile", keep_float=("head.fc",), ...

    Returns:
        The network, the report, and ways to save, compile and run it.

    Raises:
        UserError: samples or settings do not fit.
        UnsupportedError: operators cannot be imported, or have no integer form; all are named.
        ToolError: a package that reads the model is not installed.
    """
    chosen = settings_of(settings)
    graph = float_graph(model, calibration, example_inputs, streaming=streaming)
    samples = take_samples(graph, calibration, labels)
    judged = None
    if evaluation is not None:
        judged = take_samples(graph, evaluation, evaluation_labels, "evaluation samples")
    made = quantize_graph(graph, samples, chosen, evaluation=judged, explained=explained)
    package = Package(made.graph, made.report, made.reference, judged or samples, target)
    return package if target is None else package.with_device()


def settings_of(given: dict[str, Any]) -> QuantizeSettings:
    """Keyword arguments as settings.

    Raises:
        UserError: one has a name or value that there is none of.
    """
    try:
        return QuantizeSettings(**given)
    except TypeError:
        known = ", ".join(QuantizeSettings.__dataclass_fields__)
        unknown = sorted(set(given) - set(QuantizeSettings.__dataclass_fields__))
        raise UserError(f"quantize has no setting {unknown}; known: {known}") from None


def float_graph(
    model: Any,
    calibration: object = None,
    example_inputs: tuple[Any, ...] | None = None,
    *,
    streaming: bool = False,
) -> Graph:
    """A model in any form as a float graph, images [n, h, w, c].

    Args:
        model: As for `quantize`.
        calibration: Gives a module's example inputs where these are left out.
        example_inputs: As for `quantize`.
        streaming: As for `quantize`.

    Raises:
        UserError: it is none of the forms, or cannot be imported.
    """
    if isinstance(model, Graph):
        return to_channels_last(model)
    if isinstance(model, str | Path):
        graph = load(model)
        return to_channels_last(graph)
    kinds = {c.__module__.split(".")[0] for c in type(model).__mro__}
    if "torch" not in kinds:
        raise UserError(
            f"a model is a Graph, a path, a torch.nn.Module or an ExportedProgram; found "
            f"{type(model).__name__}"
        )
    # Here, because the package is an extra and takes a while to be imported.
    from midge.importers.torch_export import import_exported, import_module  # noqa: PLC0415

    if any(c.__name__ == "ExportedProgram" for c in type(model).__mro__):
        return to_channels_last(import_exported(model, streaming=streaming))
    inputs = example_inputs if example_inputs is not None else _first_sample(calibration)
    return to_channels_last(import_module(model, inputs, streaming=streaming))


def _first_sample(calibration: object) -> tuple[Any, ...]:
    """One sample of an array or a loader, as a batch of one, for PyTorch."""
    import torch  # noqa: PLC0415 - as above

    first = calibration
    if not hasattr(first, "shape"):
        try:
            first = next(iter(first))  # type: ignore[call-overload]
        except (TypeError, StopIteration):
            raise UserError(
                "example inputs cannot be taken from the calibration samples; give example_inputs"
            ) from None
    if isinstance(first, tuple | list):
        first = first[0]
    array = np.asarray(first.detach() if hasattr(first, "detach") else first)
    if array.ndim < 1 or not len(array):
        raise UserError(f"calibration samples: found an array of shape {list(array.shape)}")
    kind = array.dtype.kind
    one = array[:1].astype(np.float32 if kind == "f" else np.int64 if kind in "iu" else array.dtype)
    return (torch.from_numpy(np.ascontiguousarray(one)),)


def device_answers(artifact: Artifact, samples: Samples) -> Answers:
    """What the emulated device makes of real numbers: its outputs on all samples.

    Args:
        artifact: Compiled from a quantised graph.
        samples: Real numbers, in the graph's layout.
    """
    graph = artifact.graph
    machine = artifact.open_machine()
    stored = [artifact.to_bytes(stored_inputs(graph, s)) for s in samples.samples]
    rows = [artifact.from_bytes(i.outputs) for i in machine.run(stored)]
    return Answers(
        {n: np.stack([to_real(graph.tensors[n], row[n]) for row in rows]) for n in graph.outputs}
    )
