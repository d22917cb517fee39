"""What the README and the list of evaluations quote from a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_ecg_reports import SAMPLES, sample

from bench import ecg_runs
from midge.errors import UserError


def run() -> dict[str, object]:
    scores = sample().system("device").scores["all"]
    figures = {
        "macro_f1": scores.macro_f1,
        "sensitivity": dict(scores.sensitivity),
        "predictivity": dict(scores.predictivity),
    }
    return {
        "at": "2026-11-27T23:00:00+00:00",
        "version": "1",
        "seed": 0,
        "quick": False,
        "synthetic": False,
        "digests": {"device network": "ab" * 32},
        "figures": {"device": figures},
    }


def test_the_readme_gets_figures_command_and_day() -> None:
    text = ecg_runs.readme_text(sample().to_json(), "2026-11-27")
    assert "| wrist (emulated device) | 91.0 | 89.0 | 95.0 | 76.0 | 100.0 | 88.0 | 46.8 |" in text
    assert "| wrist and cloud, without record 232 |" in text
    assert "| wrist (emulated device), at reference beats |" in text
    assert "small network, int8, without" not in text
    assert "Sent to the cloud: 12.0 %" in text
    assert "midge recipe run ecg --data DIR" in text
    assert "2026-11-27" in text


def test_the_page_gets_the_learners_figures() -> None:
    text = ecg_runs.heart_text(sample().to_json()["heart_rate"])
    row = "| record 208 | 40 | 2.00 | 3.00 | 2.50 | 100.0 | 75.0 % (25.0 % of all) |"
    assert f"{row} 25.0 % (50.0 % of all) |" in text
    assert "in 2 of 2 records, below that of the mean in 0" in text
    assert "right for 95.0 % of the record's beats (all of it named after its" in text
    assert "commonest: 75.0 %)" in text
    assert "takes 19,200 cycles" in text
    bare = ecg_runs.heart_text(SAMPLES["bare"]().to_json()["heart_rate"])
    assert "– cycles" in bare
    assert "NOT equal" in bare


def test_every_evaluation_has_a_line() -> None:
    text = ecg_runs.runs_text([run(), {**run(), "seed": 1}])
    assert text.count("abababababab") == 2
    assert "| 1 | abababababab | device | 91.0 | 89.0 | 95.0 | 76.0 |" in text


def test_runs_are_kept_once_and_others_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("# Midge\n<!-- ecg:begin -->\nold\n<!-- ecg:end -->\nend\n")
    page = tmp_path / "docs" / "ecg.md"
    page.parent.mkdir()
    page.write_text("# A page of Midge\n<!-- heart:begin -->\nold\n<!-- heart:end -->\n")
    monkeypatch.setattr(ecg_runs, "REPOSITORY", tmp_path)
    monkeypatch.setattr(ecg_runs, "RESULTS", str(tmp_path / "results"))
    folder = tmp_path / "run"
    (folder / "report").mkdir(parents=True)
    with pytest.raises(UserError, match="holds no finished run"):
        ecg_runs.main(folder)
    (folder / "ds2-runs.jsonl").write_text(json.dumps(run()) + "\n")
    for report in (SAMPLES["bare"](), sample()):
        (folder / "report" / "report.json").write_text(json.dumps(report.to_json()))
        if report.synthetic:
            with pytest.raises(UserError, match="no figures to quote"):
                ecg_runs.main(folder)
    assert ecg_runs.main(folder) == 0
    assert ecg_runs.main(folder) == 0
    kept = json.loads((tmp_path / "results" / "ecg_runs.json").read_text())["runs"]
    assert len(kept) == 1
    assert "old" not in readme.read_text() + page.read_text()
    assert "record 208" in page.read_text()
    assert "2026-11-27" in readme.read_text()
    assert readme.read_text().endswith("-->\nend\n")
