"""The C of alarms on this machine, with the twin's bits."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midge.adapt import Alarms, StreamModel
from midge.driver.learner_host import FLAGS, restored_by, saved_by
from midge.toolchain import build_host_library

TOLD = np.dtype([("probability", "<f4"), ("is_raised", "u1"), ("unused", "u1", (3,))])
"""What a tick tells."""


class HostAlarms:
    """Alarms that start from nothing.

    Args:
        model: The learner they watch.
        alarms: Whose sizes; what they remember stays with them.
        sanitizers: As `build_host_library` has them.

    Raises:
        ToolError: The host's compiler is missing or fails.
        UserError: The alarms are not for this learner.
    """

    def __init__(self, model: StreamModel, alarms: Alarms, sanitizers: Sequence[str] = ()) -> None:
        files = model.emit(alarms=alarms)
        library = build_host_library(files, flags=FLAGS, sanitizers=sanitizers)
        self._c = ctypes.CDLL(str(library))
        self._model, self._leads = model, np.array(alarms.leads)
        self.state = np.zeros(alarms.ram_bytes // 4, np.uint32)
        self._c.learner_alarms_init(self._state)

    @property
    def _state(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.state.ctypes.data)

    def feed(self, series: ArrayLike, forecasts: ArrayLike) -> NDArray[np.void]:
        """What ticks tell; `TOLD`.

        Args:
            series: [ticks, channels], in the user's units.
            forecasts: [ticks, leads, channels], of each tick.
        """
        rows, ahead = self._model.samples(series), self._model.samples(forecasts)
        whole = np.zeros((self._leads[-1], ahead.shape[-1]), ahead.dtype)
        told = np.zeros(len(rows), TOLD)
        for tick in range(len(rows)):
            whole[self._leads - 1] = ahead[tick]
            places = (rows[tick : tick + 1], whole, told[tick : tick + 1])
            sample, forecast, alarm = (ctypes.c_void_p(one.ctypes.data) for one in places)
            self._c.learner_alarms_update(self._state, sample, forecast, alarm)
        return told

    def save(self) -> bytes:
        """What is remembered."""
        return saved_by(self._c.learner_alarms_save, self._state)

    def restore(self, data: bytes) -> int:
        """Go on from what was saved; 0 if it was taken, else why not, as the C has it."""
        return restored_by(self._c.learner_alarms_restore, self._state, data)
