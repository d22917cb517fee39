"""Where records are looked for, and what happens when they are not there."""

import numpy as np
import pytest

from midge.errors import UserError
from midge.recipes.ecg.database import SYNTHETIC, open_database
from midge.recipes.ecg.records import DETECTOR_RECORDS, DS1, DS2
from midge.recipes.ecg.synthetic import SYNTHETIC_DS1, SYNTHETIC_DS2


@pytest.fixture(autouse=True)
def _without_data(monkeypatch, tmp_path):
    monkeypatch.delenv("MIDGE_DATA", raising=False)
    monkeypatch.setenv("MIDGE_CACHE_DIR", str(tmp_path / "cache"))


def lay_out(folder):
    """The names of a whole database; what the files hold is looked at when a record is read."""
    folder.mkdir(parents=True)
    for name in DETECTOR_RECORDS:
        for extension in ("hea", "dat", "atr"):
            (folder / f"{name}.{extension}").write_bytes(b"")


def no_network(_):
    raise OSError("Temporary failure in name resolution")


def never(_):
    raise AssertionError("fetched although the records are there")


@pytest.mark.parametrize("inside", [".", "mitdb", "data/mitdb"])
def test_a_folder_may_hold_the_records_further_inside(tmp_path, inside):
    lay_out(tmp_path / "given" / inside)
    database = open_database(str(tmp_path / "given"), download=never)
    assert database.folder == tmp_path / "given" / inside
    assert (database.ds1, database.ds2, database.synthetic) == (DS1, DS2, False)
    assert "MIT-BIH" in database.notice


def test_the_environment_is_looked_into(tmp_path, monkeypatch):
    lay_out(tmp_path / "elsewhere" / "data" / "mitdb")
    monkeypatch.setenv("MIDGE_DATA", str(tmp_path / "elsewhere"))
    assert open_database(download=never).folder == tmp_path / "elsewhere" / "data" / "mitdb"


def test_a_folder_that_lacks_records_is_refused_rather_than_replaced(tmp_path):
    lay_out(tmp_path / "given")
    (tmp_path / "given" / "231.dat").unlink()
    with pytest.raises(UserError, match=r"1 of 44 records .* 231 \(no \.dat\)"):
        open_database(str(tmp_path / "given"), download=never)
    with pytest.raises(UserError, match="is no folder"):
        open_database(str(tmp_path / "absent"), download=never)


def test_an_environment_for_other_recipes_counts_as_none(tmp_path, monkeypatch):
    (tmp_path / "elsewhere" / "cwru").mkdir(parents=True)
    monkeypatch.setenv("MIDGE_DATA", str(tmp_path / "elsewhere"))
    assert open_database(download=no_network).synthetic
    assert open_database(download=lay_out).folder == tmp_path / "cache" / "mitdb"
    with pytest.raises(UserError, match="44 of 44 records"):
        open_database(str(tmp_path / "elsewhere"), download=never)


def test_an_environment_that_lacks_some_records_is_refused(tmp_path, monkeypatch):
    lay_out(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "100.atr").unlink()
    monkeypatch.setenv("MIDGE_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(UserError, match=r"1 of 44 records .* 100 \(no \.atr\)"):
        open_database(download=never)


def test_without_a_network_records_are_synthetic_and_say_so():
    database = open_database(seed=3, download=no_network)
    assert database.synthetic
    assert database.folder is None
    assert (database.ds1, database.ds2) == (SYNTHETIC_DS1, SYNTHETIC_DS2)
    assert "SYNTHETIC" in database.notice
    assert "name resolution" in database.notice
    assert "\n" not in database.notice


def test_what_is_fetched_stays(tmp_path):
    first = open_database(download=lay_out)
    assert first.folder == tmp_path / "cache" / "mitdb"
    assert "PhysioNet" in first.notice
    assert open_database(download=never).folder == first.folder


def test_half_a_fetch_is_no_database():
    database = open_database(download=lambda folder: folder.mkdir(parents=True))
    assert database.synthetic


def test_synthetic_records_can_be_asked_for():
    database = open_database(SYNTHETIC, seed=5, download=never)
    record = database.record("syn07")
    assert record.synthetic
    other = open_database(SYNTHETIC, seed=6, download=never).record("syn07")
    assert not np.array_equal(record.samples, other.samples)
