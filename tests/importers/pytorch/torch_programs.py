"""Modules, their programs in every form, and PyTorch's own answers.

PyTorch is imported when a test first asks for it: collecting these tests does not need it.
"""

from __future__ import annotations

import importlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from midge.graph import Array, Graph, interpret, outputs_of

RTOL, ATOL = 1e-5, 2e-6
"""Both sum in float32, in different orders."""


class Lazy:
    """A module that is imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


torch = Lazy("torch")
nn = Lazy("torch.nn")
F = Lazy("torch.nn.functional")


@contextmanager
def quiet() -> Iterator[None]:
    """PyTorch warns of what is none of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def module_of(forward: Callable[..., Any], **parts: Any) -> Any:
    """A module with these submodules, buffers where they are tensors, and this forward."""

    class Made(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                if isinstance(part, torch.Tensor) and not isinstance(part, torch.nn.Parameter):
                    self.register_buffer(name, part)
                else:
                    setattr(self, name, part)

        def forward(self, *inputs: Any) -> Any:
            return forward(self, *inputs)

    return Made().eval()


def exported(module: Any, *inputs: Any) -> Any:
    with quiet():
        return torch.export.export(module, inputs)


def core(program: Any) -> Any:
    """Decomposed to core ATen operators."""
    with quiet():
        return program.run_decompositions()


def without_changes_in_place(program: Any) -> Any:
    with quiet():
        return program.run_decompositions({})


def saved(program: Any) -> bytes:
    """As `torch.export.save` writes it."""
    buffer = io.BytesIO()
    with quiet():
        torch.export.save(program, buffer)
    return buffer.getvalue()


def arrays_of(graph: Graph, inputs: Sequence[Any]) -> dict[str, Array]:
    tensors = [graph.tensors[name] for name in graph.inputs]
    return {
        t.name: x.detach().numpy().astype(t.dtype.numpy)
        for t, x in zip(tensors, inputs, strict=True)
    }


def answers(module: Any, inputs: Sequence[Any]) -> list[Any]:
    """What PyTorch gives, as a list of tensors."""
    with torch.no_grad():
        given = module(*inputs)
    return list(given) if isinstance(given, tuple | list) else [given]


def expect_answers(
    graph: Graph, inputs: Sequence[Any], wanted: Sequence[Any], labels: Sequence[str] = ()
) -> None:
    """The interpreter gives what PyTorch gives: floats closely, everything else exactly."""
    found = outputs_of(graph, interpret(graph, arrays_of(graph, inputs)))
    for index, (value, want) in enumerate(zip(found.values(), wanted, strict=True)):
        label = labels[index] if labels else f"output {index}"
        expected = want.detach().numpy()
        assert value.shape == expected.shape, label
        if expected.dtype == np.float32:
            np.testing.assert_allclose(value, expected, RTOL, ATOL, err_msg=label)
        else:
            np.testing.assert_array_equal(value, expected, err_msg=label)


def forms(module: Any, inputs: Sequence[Any]) -> Iterator[tuple[str, Graph]]:
    """The graph of a module by every way in."""
    from midge.importers.torch_archive import import_pt2
    from midge.importers.torch_export import import_exported, import_module

    decomposed = core(exported(module, *inputs))
    yield "module", import_module(module, tuple(inputs))
    yield "core", import_exported(decomposed)
    yield "core .pt2", import_pt2(saved(decomposed), "model.pt2")


def check(module: Any, *inputs: Any) -> None:
    """Every way in gives PyTorch's answers."""
    wanted = answers(module, inputs)
    for form, graph in forms(module, inputs):
        try:
            expect_answers(graph, inputs, wanted)
        except BaseException as error:
            error.add_note(form)
            raise
