"""Records of an electrocardiogram with reference beats: reading them, and what is refused.

Files are those of PhysioNet's WFDB format: ``<name>.hea`` (text), ``<name>.dat`` (samples) and
``<name>.atr`` (annotations by cardiologists). The database is the MIT-BIH Arrhythmia Database
(Moody and Mark 2001, IEEE EMB Magazine 20(3):45-50; ODC-By 1.0). Its records are split by patient
as de Chazal, O'Dwyer and Reilly 2004 (IEEE TBME 51(7):1196-1206) do: DS1 trains, DS2 tests.

Beats have the five classes of ANSI/AAMI EC57: N (normal and bundle branch block), S
(supraventricular ectopic), V (ventricular ectopic), F (fusion of both), Q (paced, unclassifiable).
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from midge.errors import ToolError, UserError

Int16Array = npt.NDArray[np.int16]
Int64Array = npt.NDArray[np.int64]

RATE_HZ = 360
LEAD = "MLII"
"""The one lead that the device and the cloud see; the second signal of record 114."""
CLASSES = "NSVFQ"

DS1 = (
    *("101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122"),
    *("124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230"),
)
DS2 = (
    *("100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210"),
    *("212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234"),
)
PACED = ("102", "104", "107", "217")
"""Left out, as AAMI EC57 says."""
DETECTOR_RECORDS = tuple(sorted(DS1 + DS2))

SYMBOLS = {
    **dict.fromkeys("NLRBej", "N"),
    **dict.fromkeys("AaJSn", "S"),
    **dict.fromkeys("VEr", "V"),
    "F": "F",
    **dict.fromkeys("/fQ?", "Q"),
}
"""WFDB's annotation codes of beats -> class. B, n, r and ? do not occur in MIT-BIH's records."""

_SAMPLE_BYTES = {"212": 1.5, "16": 2.0}
_NEXT = "fetch the file again from https://physionet.org/content/mitdb/1.0.0/"


@dataclass(frozen=True)
class Record:
    """One lead of one patient, with reference beats.

    Attributes:
        name: The record's, such as ``100``.
        rate_hz: Samples a second.
        lead: Which lead.
        samples: int16 [n], what the ADC gave less its zero.
        gain: ADC units a millivolt.
        beats: int64 [k], sample index of each reference beat, ascending.
        classes: <U1 [k], one of ``NSVFQ`` each.
        adc_bits: Resolution; the rails are -2^(bits-1) and 2^(bits-1) - 1.
        flutter: int64 [m, 2], first and last sample of each episode of ventricular flutter or
            fibrillation. No beats are annotated there, and EC57 leaves these out.
        synthetic: Whether a model of the heart made it; then no figure counts for real hearts.
    """

    name: str
    rate_hz: int
    lead: str
    samples: Int16Array
    gain: float
    beats: Int64Array
    classes: npt.NDArray[np.str_]
    adc_bits: int = 11
    flutter: Int64Array = field(default_factory=lambda: np.empty((0, 2), np.int64))
    synthetic: bool = False

    @property
    def millivolts(self) -> npt.NDArray[np.float64]:
        """float64 [n], the samples in millivolts."""
        return self.samples / self.gain

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples.size / self.rate_hz


def check_complete(folder: Path, names: Sequence[str]) -> None:
    """Look for the three files of each record before any work is begun.

    Raises:
        UserError: the folder is none, or records are missing; all of them are listed.
    """
    if not folder.is_dir():
        raise UserError(
            f"{folder}: is no folder; expected one with the records of MIT-BIH in WFDB format "
            "(100.hea, 100.dat, 100.atr, ...)"
        )
    missing: dict[str, list[str]] = {}
    for name in names:
        absent = [e for e in ("hea", "dat", "atr") if not (folder / f"{name}.{e}").is_file()]
        if absent:
            missing[name] = absent
    if missing:
        listed = ", ".join(
            name if len(absent) == 3 else f"{name} (no .{', no .'.join(absent)})"
            for name, absent in missing.items()
        )
        raise UserError(
            f"{folder}: {len(missing)} of {len(names)} records are missing or incomplete: "
            f"{listed}; expected .hea, .dat and .atr of each. Fetch the database: "
            f"python -c \"import wfdb; wfdb.dl_database('mitdb', '{folder.name}')\""
        )


def load_record(folder: str | Path, name: str) -> Record:
    """Read one record of the folder, lead MLII.

    Args:
        folder: Holds ``<name>.hea``, ``<name>.dat`` and ``<name>.atr``.
        name: The record's, such as ``100``.

    Raises:
        UserError: a file is missing, damaged, of another format or sampling rate, or lacks MLII.
        ToolError: wfdb is not installed.
    """
    folder = Path(folder)
    check_complete(folder, [name])
    wfdb = import_wfdb()
    path = folder / name
    header = _read(f"{path}.hea", "header", lambda: wfdb.rdheader(str(path)))
    channel = _checked_header(path, header)
    samples = _samples(path, header, channel, wfdb)
    annotation = _read(f"{path}.atr", "annotations", lambda: wfdb.rdann(str(path), "atr"))
    beats, classes, flutter = _beats(path, annotation, samples.size)
    return Record(
        name=name,
        rate_hz=RATE_HZ,
        lead=LEAD,
        samples=samples,
        gain=float(header.adc_gain[channel]),
        beats=beats,
        classes=classes,
        adc_bits=int(header.adc_res[channel]),
        flutter=flutter,
    )


def import_wfdb() -> Any:
    """The library that reads WFDB files; late, because it is slow to import and optional.

    Raises:
        ToolError: it is not installed.
    """
    try:
        with _without_deprecations():
            return importlib.import_module("wfdb")
    except ImportError as error:
        raise ToolError(
            f"records of ECG are read by wfdb, which is not installed ({error}): "
            "pip install 'midge[ecg]'"
        ) from None


@contextmanager
def _without_deprecations() -> Iterator[None]:
    """Silence: wfdb 4.3 calls pandas in ways that pandas 3 deprecates; no user can mend that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _read(where: str, what: str, read: Callable[[], Any]) -> Any:
    """Call a reader of wfdb, which raises whatever it stumbles over on damaged files."""
    try:
        with _without_deprecations():
            return read()
    except MemoryError:
        raise UserError(f"{where}: the {what} ask for more memory than there is; {_NEXT}") from None
    except Exception as error:  # its parsers raise anything from KeyError to struct.error
        found = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(
            f"{where}: wfdb cannot read the {what} ({found}); expected WFDB format. {_NEXT}"
        ) from None


def _checked_header(path: Path, header: Any) -> int:
    """Refuse what the recipe cannot use, and find the channel of the lead."""
    where = f"{path}.hea"
    if not getattr(header, "n_sig", 0) or not getattr(header, "sig_len", 0):
        raise UserError(f"{where}: the record is empty (no signals or no samples); {_NEXT}")
    if not hasattr(header, "fmt") or any(s is None for s in (header.sig_name, header.adc_gain)):
        raise UserError(f"{where}: expected a record of one segment that describes its signals")
    if header.fs != RATE_HZ:
        raise UserError(
            f"{where}: sampled at {header.fs:g} Hz; expected {RATE_HZ} Hz, which filters and "
            "network are made for. Resample it first, signal and annotations alike: "
            f"wfdb.processing.resample_singlechan(x, ann, {header.fs:g}, {RATE_HZ}) and "
            "wfdb.wrsamp, wfdb.wrann"
        )
    if LEAD not in header.sig_name:
        raise UserError(
            f"{where}: has the leads {', '.join(map(str, header.sig_name))}; expected {LEAD} "
            "(modified limb lead II) among them. Rename the lead if it is another name of this one"
        )
    channel = int(header.sig_name.index(LEAD))
    unusable = sorted(set(header.fmt) - set(_SAMPLE_BYTES))
    if unusable or len(set(header.fmt)) != 1:
        raise UserError(
            f"{where}: samples are stored in format {', '.join(map(str, header.fmt))}; expected "
            "212 or 16 for all signals. Convert with wfdb.wrsamp(..., fmt=['212', ...])"
        )
    if any(per_frame not in (None, 1) for per_frame in header.samps_per_frame):
        raise UserError(f"{where}: signals have different rates; expected one sample a frame each")
    if header.units[channel] != "mV" or not header.adc_gain[channel] > 0:
        raise UserError(
            f"{where}: {LEAD} has a gain of {header.adc_gain[channel]} ADC units a "
            f"{header.units[channel]}; expected more than 0 a mV"
        )
    files = set(header.file_name)
    if files != {f"{path.name}.dat"} or any(header.byte_offset):
        raise UserError(
            f"{where}: names the signal file {', '.join(sorted(map(str, files)))}; expected "
            f"{path.name}.dat from its first byte on"
        )
    return channel


def _samples(path: Path, header: Any, channel: int, wfdb: Any) -> Int16Array:
    """The channel's samples less the ADC's zero, after every check that the format allows."""
    where = f"{path}.dat"
    expected = int(np.ceil(header.n_sig * header.sig_len * _SAMPLE_BYTES[header.fmt[0]]))
    found = Path(where).stat().st_size
    if found < expected:
        raise UserError(
            f"{where}: {found:,} bytes; the header announces {header.n_sig} signals of "
            f"{header.sig_len:,} samples in format {header.fmt[0]}, that is {expected:,} bytes: "
            f"the file is truncated; {_NEXT}"
        )
    read = _read(
        where, "samples", lambda: wfdb.rdrecord(str(path), channels=[channel], physical=False)
    )
    raw = np.asarray(read.d_signal[:, 0], np.int64)
    invalid = -2048 if header.fmt[channel] == "212" else -32768
    bad = np.flatnonzero(raw == invalid)
    if bad.size:
        raise UserError(
            f"{where}: {bad.size:,} samples of {LEAD} are invalid (NaN), the first at index "
            f"{bad[0]:,}; expected none. Cut the record there, or bridge the gap and write it anew"
        )
    announced = header.checksum[channel]
    actual = int(raw.sum()) & 0xFFFF
    if announced is None or actual != int(announced) & 0xFFFF:
        raise UserError(
            f"{where}: the samples of {LEAD} sum to {_signed(actual)}; the header announces the "
            f"checksum {announced}: the file is damaged or of another record; {_NEXT}"
        )
    centred = raw - int(header.adc_zero[channel])
    low, high = int(centred.min()), int(centred.max())
    if low < -32768 or high > 32767:
        raise UserError(f"{where}: samples reach from {low} to {high}; expected 16 bits")
    return centred.astype(np.int16)


def _beats(
    path: Path, annotation: Any, samples: int
) -> tuple[Int64Array, npt.NDArray[np.str_], Int64Array]:
    """Sample index and class of each beat, and the episodes of ventricular flutter."""
    where = f"{path}.atr"
    at = np.asarray(annotation.sample, np.int64)
    outside = np.flatnonzero((at < 0) | (at >= samples))
    if outside.size:
        raise UserError(
            f"{where}: annotation {outside[0]:,} stands at sample {at[outside[0]]:,}; expected "
            f"0 to {samples - 1:,}, the samples of the record: the file belongs to another record"
        )
    kept = [i for i, symbol in enumerate(annotation.symbol) if symbol in SYMBOLS]
    if not kept:
        raise UserError(f"{where}: annotates no beat; expected the reference beats of the record")
    beats = at[kept]
    if np.any(np.diff(beats) <= 0):
        raise UserError(f"{where}: beats are not in ascending order of time; {_NEXT}")
    classes = np.array([SYMBOLS[annotation.symbol[i]] for i in kept], "<U1")
    return beats, classes, _flutter(at, list(annotation.symbol), samples)


def _flutter(at: Int64Array, symbols: list[str], samples: int) -> Int64Array:
    """Episodes from ``[`` to ``]``; one that is still open ends with the record."""
    episodes: list[tuple[int, int]] = []
    start: int | None = None
    for sample, symbol in zip(at.tolist(), symbols, strict=True):
        if symbol == "[" and start is None:
            start = sample
        elif symbol == "]" and start is not None:
            episodes.append((start, sample))
            start = None
    if start is not None:
        episodes.append((start, samples - 1))
    return np.array(episodes, np.int64).reshape(-1, 2)


def _signed(value: int) -> int:
    return value - 0x10000 if value >= 0x8000 else value
