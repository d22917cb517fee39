"""The heart-rhythm recipe from end to end on made-up records: quick, killed, the same again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from midge.cli import main
from midge.driver.application import ApplicationRun
from midge.recipes.ecg.application_files import read_application
from midge.recipes.ecg.networks import device_chain
from midge.recipes.ecg.stage_device import differences
from midge.recipes.ecg.synthetic import synthesise

OPTIONS = ("--quick", "--data", "synthetic", "--records-on-device", "1")


def files_of(folder: Path, *stages: str) -> dict[str, bytes]:
    """What the stages left, but for the frame's own notes."""
    return {
        f"{stage}/{path.name}": path.read_bytes()
        for stage in stages
        for path in (folder / stage).iterdir()
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run."""
    folder = tmp_path_factory.mktemp("ecg") / "run"
    assert main(["recipe", "run", "ecg", *OPTIONS, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def report(finished: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((finished / "report" / "report.json").read_text())
    return content


def test_a_killed_run_of_the_same_seed_comes_to_the_same_bytes(
    finished: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "midge", "recipe", "run", "ecg", *OPTIONS, "--out"]
    process = subprocess.Popen([*command, os.fspath(tmp_path / "run")], stderr=subprocess.PIPE)
    while not list((tmp_path / "run" / "cloud").glob("checkpoint*.pt")):
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "run" / "cloud" / "weights.npz").exists()
    assert main(["recipe", "run", "ecg", *OPTIONS, "--out", str(tmp_path / "run")]) == 0
    compared = ("cloud", "device", "quantise", "emulate", "evaluate", "heart", "report")
    ours, theirs = (files_of(f, *compared) for f in (finished, tmp_path / "run"))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_the_same_command_again_does_nothing(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipe", "run", "ecg", *OPTIONS, "--out", str(finished)]) == 0
    out, err = capsys.readouterr()
    assert err.count("done already") == 10
    assert "SYNTHETIC" in out
    assert "QUICK" in out
    log = (finished / "ds2-runs.jsonl").read_text().splitlines()
    assert len(log) == 1
    assert json.loads(log[0])["synthetic"]


def test_the_emulated_board_is_its_twin_and_within_its_budget(report: dict[str, Any]) -> None:
    (board,) = report["boards"]
    assert board["equal"]
    assert board["beats"] > 100
    assert board["flash_bytes"] <= 32 * 1024
    assert board["ram_bytes"] <= 8 * 1024
    assert board["beat_ms"] < 10
    assert 0 < board["duty"] < 0.05


def test_a_device_that_says_something_else_is_noticed(finished: Path) -> None:
    application = read_application(finished / "quantise", device_chain())
    events = application.run(synthesise("syn30", 0).samples[:7200])
    assert len(events) > 10
    found = replace(events.found, templates=None)
    run = ApplicationRun(found, replace(events, found=found), b"", np.zeros(1, np.uint32), None)
    assert differences(run, events) == []
    assert differences(replace(run, events=None), events) == ["events"]
    for name in ("scores", "label", "margin", "suspicious"):
        other = getattr(events, name).copy()
        other[3] = ~other[3]
        assert differences(replace(run, events=replace(events, **{name: other})), events) == [name]
    for name in ("positions", "windows", "features", "codes", "quality", "decided_at"):
        other = getattr(found, name).copy()
        other[3] = ~other[3]
        assert differences(replace(run, found=replace(found, **{name: other})), events) == [name]
    assert "positions" in differences(replace(run, found=found.before(3000)), events)


def test_figures_agree_with_one_another(report: dict[str, Any]) -> None:
    assert report["synthetic"]
    assert report["quick"]
    assert not set(report["train"]) & set(report["test"])
    systems = {system["name"]: system for system in report["systems"]}
    assert list(systems) == ["float", "int8", "device", "cloud", "cascade"]
    beats = sum(report["test_beats"].values())
    for system in systems.values():
        matrix = np.array(system["scores"]["all"]["confusion"])
        assert matrix[:5].sum() == beats
        assert matrix[:, -1].sum() == beats - report["detector"]["found"]
    for name in ("float", "int8", "device", "cloud"):
        at_reference = np.array(systems[name]["scores"]["reference beats"]["confusion"])
        assert at_reference.sum() == beats
        assert at_reference[:, -1].sum() == 0
    uplink = report["uplink"]
    # A network that has learnt little may flag nearly everything: then heads come on top.
    assert 0 < uplink["sent_bytes"] < 1.5 * uplink["coded_bytes"]
    assert uplink["coded_bytes"] < uplink["packed_bytes"]
    assert uplink["packed_bytes"] * 4 == uplink["plain_bytes"] * 3
    assert sum(row["beats"]["N"] for row in report["rows"]) == report["test_beats"]["N"]


def test_the_learner_followed_the_heart_rate(report: dict[str, Any]) -> None:
    heart = report["heart_rate"]
    assert heart["record"] == report["test"][0]
    assert heart["rhythms"] == []
    found = sum(row["detector"]["found"] + row["detector"]["false"] for row in report["rows"])
    assert heart["all"]["beats"] == found - len(report["test"])
    assert heart["shown"]["beats"] == len(heart["rate_bpm"]) == len(heart["anomaly"])
    assert heart["all"]["learner_bpm"] < heart["all"]["last_bpm"]
    assert heart["board"]["equal"]
    assert heart["board"]["state_bytes"] <= 2048


def test_what_stands_there_knows_no_place(finished: Path) -> None:
    for name, content in files_of(finished, "quantise", "emulate", "heart", "report").items():
        assert os.fsencode(finished) not in content, name
        assert b"/tmp" not in content, name


def test_the_c_of_the_application_is_there(finished: Path) -> None:
    names = {path.name for path in (finished / "compile" / "nrf52840").iterdir()}
    assert {"ecg.c", "ecg.h", "ecg_network.c", "ecg_network.h"} <= names
