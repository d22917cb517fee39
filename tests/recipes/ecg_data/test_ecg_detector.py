"""The ECG's chain finds beats: synthetic ones, real ones of DS1, weak ones, upside down ones."""

import json
from dataclasses import replace

import numpy as np
import pytest
from bench.ecg_detector import content, gross, main, measure, report

from midge.recipes.ecg.beat_matching import Counts, match_record
from midge.recipes.ecg.database import SYNTHETIC, open_database
from midge.recipes.ecg.detector import ecg_chain
from midge.recipes.ecg.records import load_record
from midge.recipes.ecg.synthetic import synthesise
from midge.signals import FLAT, SATURATED
from support.shared_data import MITDB, REPOSITORY, needs_mitdb

CHAIN = ecg_chain()
NAMES = ("syn01", "syn03", "syn05", "syn24", "syn40")


@pytest.fixture(scope="module")
def records():
    return [synthesise(name, seconds=90) for name in NAMES]


def counts(record):
    return match_record(record, CHAIN.detect(record.samples).positions).counts


def test_synthetic_beats_are_found_where_they_are(records):
    whole = gross(counts(record) for record in records)
    assert whole.sensitivity > 0.99
    assert whole.predictivity > 0.99
    for record in records:
        found = CHAIN.detect(record.samples)
        matching = match_record(record, found.positions)
        pairs = np.flatnonzero(matching.reference_of >= 0)
        apart = found.positions[pairs] - record.beats[matching.reference_of[pairs]]
        assert np.median(np.abs(apart)) <= 5


@pytest.mark.parametrize("factor", [0.3, 0.6, -1.0, 1.5])
def test_size_and_polarity_matter_little(records, factor):
    changed = [
        replace(r, samples=np.clip(np.rint(r.samples * factor), -1024, 1023).astype(np.int16))
        for r in records
    ]
    whole = gross(counts(record) for record in changed)
    assert whole.sensitivity > 0.97
    assert whole.predictivity > 0.97


def test_an_offset_changes_nothing(records):
    shifted = (records[1].samples + 150).astype(np.int16)
    np.testing.assert_array_equal(
        CHAIN.detect(shifted).positions, CHAIN.detect(records[1].samples).positions
    )


def test_a_lead_that_is_off_has_no_beats_and_says_so(records):
    samples = records[0].samples.copy()
    off, on = 30 * 360, 50 * 360
    samples[off:on] = samples[off]
    found = CHAIN.detect(samples)
    inside = (found.positions > off + 360) & (found.positions < on - 360)
    assert not inside.any()
    assert any(state & FLAT for _, state in found.quality_changes.tolist())
    after = records[0].beats[records[0].beats > on + 3 * 360]
    kept = replace(records[0], samples=samples, beats=after, classes=np.full(after.size, "N"))
    later = found.positions[found.positions > on + 3 * 360]
    assert match_record(kept, later).counts.sensitivity > 0.97


def test_a_signal_at_the_rails_is_flagged(records):
    samples = records[2].samples.copy()
    samples[20 * 360 : 24 * 360] = 1023
    states = CHAIN.detect(samples).quality_changes[:, 1]
    assert any(state & SATURATED for state in states.tolist())


@needs_mitdb
@pytest.mark.parametrize(
    ("name", "most"), [("101", 6), ("108", 30), ("203", 60), ("207", 12), ("223", 3)]
)
def test_records_of_the_training_set_are_found_as_they_were(name, most):
    """108: low QRS beside tall P; 203: noise and many forms; 207: flutter is left out."""
    processing = pytest.importorskip("wfdb.processing")
    record = load_record(MITDB, name)
    found = CHAIN.detect(record.samples).positions
    ours = match_record(record, found).counts
    assert ours.missed + ours.false <= most
    if not record.flutter.size:
        # wfdb pairs what is nearer than so many samples; 150 ms are 54.
        theirs = processing.compare_annotations(record.beats, found, 55)
        assert (ours.found, ours.missed, ours.false) == (theirs.tp, theirs.fn, theirs.fp)


def test_the_bench_says_synthetic_and_adds_up():
    database = open_database(SYNTHETIC)
    rows = [measure(database, CHAIN, name) for name in ("syn02", "syn30")]
    text = report(database, rows)
    assert "**SYNTHETIC records" in text
    assert "| syn02 |" in text
    numbers = content(database, rows)
    assert numbers["synthetic"]
    assert numbers["gross"]["beats"] == rows[0].counts.beats + rows[1].counts.beats
    assert gross([Counts(1, 2, 3), Counts(4, 5, 6)]) == Counts(5, 7, 9)


def test_the_page_shows_the_kept_figures():
    kept = json.loads((REPOSITORY / "bench/results/ecg_detector.json").read_text())
    page = (REPOSITORY / "docs/ecg-detector.md").read_text()
    gross_figures = kept["gross"]
    row = (
        f"| all 44 | {gross_figures['beats']:,} | {gross_figures['missed']} | "
        f"{gross_figures['false']} | {100 * gross_figures['sensitivity']:.2f} | "
        f"{100 * gross_figures['predictivity']:.2f} |"
    )
    assert row in page
    assert len(kept["records"]) == 44
    assert not kept["synthetic"]


def test_the_bench_refuses_a_folder_without_records(tmp_path, capsys):
    assert main(["--data", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert "44 of 44 records are missing" in capsys.readouterr().err
