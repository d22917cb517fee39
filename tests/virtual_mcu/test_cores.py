"""The cores as data."""

from __future__ import annotations

import pytest

from midge.virtual_mcu.cores import CORES, QEMU, UNICORN
from midge.virtual_mcu.cycles import model_for

CONTRACT = {
    "cortex-m0plus",
    "cortex-m3",
    "cortex-m4",
    "cortex-m7",
    "cortex-m33",
    "cortex-m55",
    "rv32imc",
    "rv32imac",
}


def test_every_core_of_the_contract_is_there_and_emulated():
    assert set(CORES) >= CONTRACT
    assert all(CORES[name].emulated for name in CONTRACT)


def test_names_are_their_keys():
    assert all(name == core.name for name, core in CORES.items())


@pytest.mark.parametrize("core", CORES.values(), ids=lambda core: core.name)
def test_a_core_is_consistent(core):
    assert set(core.emulators) <= {UNICORN, QEMU}
    model = model_for(core)
    assert (model is None) == (core.cycle_model is None)
    if model is not None:
        assert model.name == core.cycle_model
        assert model.source
    if core.family == "xtensa":
        assert not core.emulated
        assert "portable C only, not emulated" in core.note


def test_dsp_is_where_smlad_is():
    assert {name for name, core in CORES.items() if "dsp" in core.features} == {
        "cortex-m4",
        "cortex-m7",
        "cortex-m33",
        "cortex-m55",
    }


def test_the_m55_has_no_cycle_model_and_no_unicorn():
    m55 = CORES["cortex-m55"]
    assert m55.emulators == (QEMU,)
    assert m55.cycle_model is None
    assert "mve" in m55.features
