"""The six networks, by every way in; and what their operators are called."""

from __future__ import annotations

import pytest
from torch_programs import answers, core, expect_answers, exported, saved

from midge.importers.torch_archive import import_pt2
from midge.importers.torch_export import import_exported, import_module

NAMES = ("ds_cnn", "mobilenet_v2", "resnet8", "cnn_1d", "gru_spotter", "tiny_transformer")


def test_these_are_all() -> None:
    from support.torch_networks import NETWORKS

    assert tuple(NETWORKS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_network_in_every_form(name: str) -> None:
    """As exported and decomposed, in memory and from an archive."""
    from support.torch_networks import seeded

    module, x = seeded(name)
    wanted = answers(module, [x])
    program = exported(module, x)
    for form, made in (("exported", program), ("core", core(program))):
        expect_answers(import_exported(made), [x], wanted, [form])
        graph = import_pt2(saved(made), f"{name}.pt2")
        assert (graph.name, len(graph.digest)) == (name, 64)
        expect_answers(graph, [x], wanted, [f"{form} .pt2"])


def test_operators_are_called_as_the_modules_are() -> None:
    from support.torch_networks import seeded

    names = {op.name for op in import_module(*seeded("mobilenet_v2")).ops}
    assert {"features.0.0", "features.3.conv.6", "features.3.add", "classifier"} <= names
    names = {op.name for op in import_module(*seeded("tiny_transformer")).ops}
    assert {"encoder.layers.1.norm1", "encoder.layers.1.linear2", "classifier", "add"} <= names


def test_a_module_is_left_in_the_mode_that_it_is_in() -> None:
    from support.torch_networks import seeded

    module, x = seeded("ds_cnn")
    module.train()
    module.stem.eval()
    graph = import_module(module, x)
    assert module.training
    assert not module.stem.training
    assert module.blocks[0].training
    expect_answers(graph, [x], answers(module.eval(), [x]))


def test_the_recurrent_network_is_rolled() -> None:
    from support.torch_networks import seeded

    module, x = seeded("gru_spotter")
    graph = import_exported(exported(module, x))
    assert [op.kind for op in graph.ops].count("gru") == 1
