"""Records that are whole, and every way in which one is not."""

import struct

import numpy as np
import pytest

from midge.errors import UserError
from midge.recipes.ecg.records import DS1, DS2, PACED, check_complete, load_record
from support.shared_data import MITDB, needs_mitdb

wfdb = pytest.importorskip("wfdb")
pytestmark = pytest.mark.filterwarnings(
    "ignore:The inplace keyword:DeprecationWarning"  # wfdb writes by a deprecated call of pandas
)

SECONDS = 12


def write_record(folder, name="100", rate_hz=360, leads=("MLII", "V5"), fmt="212", **changes):
    """A record of two leads with a pulse a second, written by wfdb itself."""
    count = SECONDS * rate_hz
    wave = np.zeros((count, len(leads)), np.int64)
    beats = np.arange(100, count - 10, rate_hz)
    for lead in range(len(leads)):
        for width in range(-4, 5):
            wave[beats + width, lead] = (5 - abs(width)) * (40 + 10 * lead)
    raw = wave + 1024 if fmt == "212" else wave
    raw = changes.pop("raw", raw)
    wfdb.wrsamp(
        name,
        fs=rate_hz,
        units=changes.pop("units", ["mV"] * len(leads)),
        sig_name=list(leads),
        d_signal=raw,
        fmt=[fmt] * len(leads),
        adc_gain=[200.0] * len(leads),
        baseline=[1024 if fmt == "212" else 0] * len(leads),
        write_dir=str(folder),
    )
    header = folder / f"{name}.hea"
    # wfdb writes 0 for the ADC's zero and resolution: as MIT-BIH's headers have them.
    zero = 1024 if fmt == "212" else 0
    lines = header.read_text().splitlines()
    for index in range(1, 1 + len(leads)):
        parts = lines[index].split()
        parts[3], parts[4] = "11", str(zero)
        lines[index] = " ".join(parts)
    header.write_text("\n".join(lines) + "\n")
    samples = changes.pop("annotated", beats)
    symbols = changes.pop("symbols", ["N"] * len(samples))
    wfdb.wrann(name, "atr", np.asarray(samples), symbols, write_dir=str(folder))
    return wave, beats


def edit_header(folder, old, new, name="100"):
    path = folder / f"{name}.hea"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def refusal(folder, name="100"):
    with pytest.raises(UserError) as caught:
        load_record(folder, name)
    return str(caught.value)


@pytest.mark.parametrize("fmt", ["212", "16"])
def test_a_whole_record_is_read(tmp_path, fmt):
    wave, beats = write_record(tmp_path, fmt=fmt)
    record = load_record(tmp_path, "100")
    assert record.samples.dtype == np.int16
    np.testing.assert_array_equal(record.samples, wave[:, 0])
    np.testing.assert_array_equal(record.beats, beats)
    assert set(record.classes) == {"N"}
    assert (record.rate_hz, record.lead, record.gain, record.adc_bits) == (360, "MLII", 200.0, 11)
    assert record.duration_s == SECONDS
    assert record.millivolts.max() == 1.0
    assert not record.synthetic


def test_mlii_is_found_where_it_is_the_second_signal(tmp_path):
    wave, _ = write_record(tmp_path, leads=("V5", "MLII"))
    np.testing.assert_array_equal(load_record(tmp_path, "100").samples, wave[:, 1])


def test_classes_are_those_of_the_association(tmp_path):
    at = np.arange(1, 18) * 200
    symbols = list("NLRejAaJSVEF/fQ+~")
    write_record(tmp_path, annotated=at, symbols=symbols)
    record = load_record(tmp_path, "100")
    assert "".join(record.classes) == "NNNNNSSSSVVFQQQ"
    np.testing.assert_array_equal(record.beats, at[:15])


def test_flutter_is_kept_as_episodes(tmp_path):
    at = [100, 500, 900, 1300, 2000, 3000]
    write_record(tmp_path, annotated=at, symbols=["N", "[", "!", "]", "N", "["])
    record = load_record(tmp_path, "100")
    assert record.flutter.tolist() == [[500, 1300], [3000, SECONDS * 360 - 1]]
    assert record.beats.tolist() == [100, 2000]


def test_missing_records_are_all_listed(tmp_path):
    write_record(tmp_path)
    write_record(tmp_path, "101")
    (tmp_path / "101.atr").unlink()
    with pytest.raises(UserError) as caught:
        check_complete(tmp_path, ["100", "101", "102", "103"])
    message = str(caught.value)
    assert "3 of 4 records are missing or incomplete: 101 (no .atr), 102, 103;" in message
    assert "wfdb.dl_database" in message


@pytest.mark.parametrize("extension", ["hea", "dat", "atr"])
def test_each_missing_file_is_named(tmp_path, extension):
    write_record(tmp_path)
    (tmp_path / f"100.{extension}").unlink()
    assert f"100 (no .{extension})" in refusal(tmp_path)


def test_a_folder_that_is_none(tmp_path):
    assert "is no folder" in refusal(tmp_path / "absent")


@pytest.mark.parametrize("left", [0, 1, 1000])
def test_truncated_samples(tmp_path, left):
    write_record(tmp_path)
    path = tmp_path / "100.dat"
    path.write_bytes(path.read_bytes()[:left])
    message = refusal(tmp_path)
    assert f"100.dat: {left:,} bytes" in message
    assert "12,960 bytes: the file is truncated" in message


def test_a_flipped_bit_fails_the_checksum(tmp_path):
    write_record(tmp_path)
    path = tmp_path / "100.dat"
    content = bytearray(path.read_bytes())
    content[3000] ^= 4
    path.write_bytes(content)
    assert "the file is damaged or of another record" in refusal(tmp_path)


def test_another_sampling_rate(tmp_path):
    write_record(tmp_path, rate_hz=250)
    message = refusal(tmp_path)
    assert "sampled at 250 Hz; expected 360 Hz" in message
    assert "resample_singlechan" in message


def test_the_lead_is_missing(tmp_path):
    write_record(tmp_path, leads=("V5", "V1"))
    assert "has the leads V5, V1; expected MLII" in refusal(tmp_path)


@pytest.mark.parametrize(("fmt", "invalid"), [("212", -2048), ("16", -32768)])
def test_invalid_samples_are_counted(tmp_path, fmt, invalid):
    raw = np.full((SECONDS * 360, 2), 7, np.int64)
    raw[50:53, 0] = invalid
    write_record(tmp_path, raw=raw, fmt=fmt)
    assert "3 samples of MLII are invalid (NaN), the first at index 50" in refusal(tmp_path)


def test_invalid_samples_of_the_other_lead_do_no_harm(tmp_path):
    raw = np.full((SECONDS * 360, 2), 7, np.int64)
    raw[50:53, 1] = -2048
    write_record(tmp_path, raw=raw)
    assert load_record(tmp_path, "100").samples.size == SECONDS * 360


def test_another_format(tmp_path):
    write_record(tmp_path, fmt="16")
    edit_header(tmp_path, "100.dat 16", "100.dat 80")
    assert "stored in format 80, 80; expected 212 or 16" in refusal(tmp_path)


def test_units_that_are_no_millivolts(tmp_path):
    write_record(tmp_path, units=["uV", "uV"])
    assert "ADC units a uV; expected more than 0 a mV" in refusal(tmp_path)


@pytest.mark.parametrize("other", ["99.dat", "100.dat+8"])
def test_samples_that_lie_elsewhere(tmp_path, other):
    write_record(tmp_path)
    if "+" in other:
        edit_header(tmp_path, "100.dat 212", "100.dat 212+8")
    else:
        edit_header(tmp_path, "100.dat", other)
    assert "expected 100.dat from its first byte on" in refusal(tmp_path)


def test_an_empty_record(tmp_path):
    write_record(tmp_path)
    (tmp_path / "100.hea").write_text("100 0 360 0\n")
    assert "the record is empty" in refusal(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "100\n",
        "# nothing\n",
        "100 2 360 4320\n",
        "\x00\x01\x02",
        "100/2 2 360 4320\n100_1 0\n",
    ],
)
def test_headers_that_are_none(tmp_path, text):
    write_record(tmp_path)
    (tmp_path / "100.hea").write_text(text)
    assert "100.hea" in refusal(tmp_path)


def test_a_header_that_announces_a_million_years(tmp_path):
    write_record(tmp_path)
    edit_header(tmp_path, " 4320", " 11000000000000000")
    assert "the file is truncated" in refusal(tmp_path)


def test_an_annotation_behind_the_end(tmp_path):
    write_record(tmp_path, annotated=[100, 90_000], symbols=["N", "N"])
    message = refusal(tmp_path)
    assert "annotation 1 stands at sample 90,000; expected 0 to 4,319" in message


def test_no_beats(tmp_path):
    write_record(tmp_path, annotated=[100], symbols=["+"])
    assert "annotates no beat" in refusal(tmp_path)


def test_annotations_that_are_none(tmp_path):
    write_record(tmp_path)
    generator = np.random.default_rng(1)
    for _ in range(50):
        content = generator.integers(0, 256, generator.integers(1, 60), np.uint8).tobytes()
        (tmp_path / "100.atr").write_bytes(content)
        try:
            record = load_record(tmp_path, "100")
        except UserError as error:
            assert "100.atr" in str(error)
        else:
            assert np.all((record.beats >= 0) & (record.beats < SECONDS * 360))


def test_an_empty_annotation_file(tmp_path):
    write_record(tmp_path)
    (tmp_path / "100.atr").write_bytes(struct.pack("<H", 0))
    assert "100.atr" in refusal(tmp_path)


def test_mutated_headers_end_in_a_refusal_or_a_whole_record(tmp_path):
    write_record(tmp_path)
    path = tmp_path / "100.hea"
    whole = path.read_bytes()
    generator = np.random.default_rng(2)
    for _ in range(100):
        content = bytearray(whole)
        for _ in range(generator.integers(1, 4)):
            content[generator.integers(len(content))] = generator.integers(32, 127)
        path.write_bytes(content)
        try:
            record = load_record(tmp_path, "100")
        except UserError as error:
            assert "100." in str(error)
        else:
            assert record.samples.size == SECONDS * 360


def test_nobody_is_in_both_sets_or_paced():
    assert len({*DS1, *DS2, *PACED}) == 48


@needs_mitdb
def test_the_real_training_set_has_the_published_beats():
    classes = np.concatenate([load_record(MITDB, name).classes for name in DS1])
    counted = {c: int(np.sum(classes == c)) for c in "NSVFQ"}
    assert counted == {"N": 45866, "S": 944, "V": 3788, "F": 415, "Q": 8}
