"""The C of a learner on this machine: as fast as C is, with the twin's bits."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midge.adapt import StreamModel, Trace
from midge.adapt.arithmetic import Values
from midge.adapt.engine import TWIN, Engine
from midge.adapt.given import whole
from midge.driver.learner_stream import digest_of, kinds_of
from midge.errors import ToolError, UserError
from midge.toolchain import build_host_library

_NAME = "learner"
FLAGS = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
_ACCESS = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint8), ctypes.c_uint32
)


class HostLearner:
    """A learner that starts from nothing.

    Args:
        model: Whose sizes and settings; what it has learned stays with it.
        sanitizers: As `build_host_library` has them.

    Raises:
        ToolError: The host's compiler is missing or fails.
    """

    def __init__(self, model: StreamModel, sanitizers: Sequence[str] = ()) -> None:
        library = build_host_library(model.emit(_NAME), flags=FLAGS, sanitizers=sanitizers)
        self._c = ctypes.CDLL(str(library))
        self._model, self._shape = model, (model.sizes.horizon, model.sizes.channels)
        self._told, self._kind = kinds_of(model.dialect.number)
        self.state = np.zeros(model.ram_bytes // 4, np.uint32)
        self._c.learner_init(self._state)

    @property
    def _state(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.state.ctypes.data)

    def feed(self, series: ArrayLike, *, forecasts: bool = True) -> NDArray[np.void]:
        """What ticks tell, of a series [ticks, channels]; `learner_stream.TOLD`."""
        ahead = np.zeros(self._shape, self._kind)
        rows = self._rows(series)
        told = np.zeros(len(rows), self._told)
        for tick, row in enumerate(rows):
            self._update(row, told[tick : tick + 1], ahead if forecasts else None)
            told["digest"][tick] = digest_of(ahead[None])[0] if forecasts else 0
        return told

    def run(self, series: ArrayLike, horizons: Iterable[int] = (1,)) -> Trace:
        """As `StreamModel.run`, with the same bits.

        Args:
            series: [ticks, channels]; NaN where a sample is missing.
            horizons: Leads whose forecasts are kept, 1 to the model's horizon; may be empty.

        Raises:
            UserError: The series is of another shape, or a lead out of range.
        """
        asked = (whole("run: horizons", lead, 1, self._shape[0]) for lead in horizons)
        leads = np.array(tuple(asked), np.intp)
        ahead = np.zeros(self._shape, self._kind)
        rows = self._rows(series)
        told = np.zeros(len(rows), self._told)
        forecasts = np.empty((len(rows), len(leads), self._shape[1]), self._kind)
        for tick, row in enumerate(rows):
            self._update(row, told[tick : tick + 1], ahead if len(leads) else None)
            forecasts[tick] = ahead[leads - 1]
        return Trace(
            forecasts * self._model.resolution,
            told["anomaly"].astype(np.float64) / self._model.dialect.certain,
            told["is_flagged"].astype(bool),
            told["regime"].astype(np.int64),
            told["is_new"].astype(bool),
            told["drift"].astype(bool),
        )

    def _rows(self, series: ArrayLike) -> Values:
        rows = np.asarray(series)
        if rows.ndim != 2 or rows.shape[1] != self._shape[1]:
            raise UserError(
                f"{_NAME}: found a series of shape {rows.shape}; expected [ticks, {self._shape[1]}]"
            )
        return np.ascontiguousarray(self._model.samples(rows))

    def _update(self, row: Values, told: NDArray[np.void], ahead: Values | None) -> None:
        place = None if ahead is None else ctypes.c_void_p(ahead.ctypes.data)
        sample, step = (ctypes.c_void_p(array.ctypes.data) for array in (row, told))
        self._c.learner_update(self._state, sample, step, place)

    def forecast(self) -> NDArray[Any]:
        """[horizon, channels], from the last sample on, in the user's units."""
        out = np.zeros(self._shape, self._kind)
        self._c.learner_forecast(self._state, ctypes.c_void_p(out.ctypes.data))
        forecast: NDArray[Any] = out * self._model.resolution
        return forecast

    def save(self) -> bytes:
        """A checkpoint."""
        return saved_by(self._c.learner_save, self._state)

    def restore(self, data: bytes) -> int:
        """Go on from a checkpoint; 0 if it was taken, else why not, as the C has it."""
        return restored_by(self._c.learner_restore, self._state, data)


def saved_by(save: Callable[..., int], state: ctypes.c_void_p) -> bytes:
    """What a function of the C writes of a struct."""
    parts: list[bytes] = []

    def write(_context: object, data: ctypes._Pointer[ctypes.c_uint8], size: int) -> int:
        parts.append(bytes(data[:size]))
        return 0

    save(state, _ACCESS(write), None)
    return b"".join(parts)


def restored_by(restore: Callable[..., int], state: ctypes.c_void_p, data: bytes) -> int:
    """What a function of the C says of bytes that it reads into a struct."""
    at = 0

    def read(_context: object, out: ctypes._Pointer[ctypes.c_uint8], size: int) -> int:
        nonlocal at
        part = data[at : at + size]
        for index, byte in enumerate(part):
            out[index] = byte
        at += size
        return 0 if len(part) == size else 1

    return int(restore(state, _ACCESS(read), None))


HOST_C = Engine("C on this machine", HostLearner)


def fastest_engine() -> Engine:
    """`HOST_C`, or the twin where the host's compiler is missing or fails."""
    try:
        HostLearner(StreamModel(channels=1, horizon=1, ram="8 KB"))
    except ToolError:
        return TWIN
    return HOST_C
