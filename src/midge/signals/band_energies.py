"""Log-energies of octaves, frame by frame: what a vibration sounds like, in a few integers.

A tree of half-band filters splits off the upper half of the frequencies, again and again, each time
at half the rate: one filter output a sample on the whole, however many octaves. Squares are summed
exactly over a frame; what comes out is 256 times the logarithm to base 2. The lowest frequencies,
and with them a sensor's offset, are in no octave. `BandEnergies.run` is the twin of the C.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midge.errors import UserError
from midge.signals.c_library import FOR_CPP, FOR_CPP_END, signal_text
from midge.signals.emit import LICENCE
from midge.signals.filters import delayed
from midge.signals.stage import Integers, check_count

TAPS = (-27, 0, 282, 0, -1132, 0, 4973, 8192, 4973, 0, -1132, 0, 282, 0, -27)
"""Half-band low-pass, Kaiser window of beta 5; the sum is 2 to the power of `TAP_BITS`."""
TAP_BITS = 14
LOG_UNIT = 256
"""What a doubling of energy adds."""
MOST_OCTAVES, LONGEST_FRAME = 10, 1 << 14

_HEADERS = ("binary_log.h", "half_band.h")
_MANTISSA_BITS, _FRACTION_BITS = 15, 8

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class BandEnergies:
    """How samples become frames of log-energies.

    Attributes:
        name: Prefix of the emitted C.
        frame: Samples of a frame, a multiple of two to the power of `octaves`.
        octaves: How many, from half the rate of the samples downwards; 1 to 10.
    """

    name: str
    frame: int
    octaves: int

    def __post_init__(self) -> None:
        """Check the parameters.

        Raises:
            UserError: one is out of range.
        """
        if not (self.name.isidentifier() and self.name.isascii()):
            raise UserError(f"BandEnergies: name is {self.name!r}; expected an identifier of C")
        check_count("BandEnergies", "octaves", self.octaves, 1, MOST_OCTAVES)
        check_count("BandEnergies", "frame", self.frame, 2, LONGEST_FRAME)
        if self.frame % (1 << self.octaves):
            raise UserError(
                f"BandEnergies: frame is {self.frame}; expected a multiple of {1 << self.octaves}, "
                f"so that {self.octaves} octaves end with it"
            )

    def run(self, samples: Samples) -> Samples:
        """The frames of a record that begins in silence; the twin.

        Args:
            samples: int16 [n].

        Returns:
            int16 [n // frame, octaves], the highest octave first; 0 to 10,240.

        Raises:
            UserError: `samples` is not int16 [n].
        """
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise UserError(
                f"BandEnergies {self.name!r}: samples are {samples.dtype} {list(samples.shape)}; "
                "expected int16 [n]"
            )
        frames = samples.size // self.frame
        low: Integers = samples[: frames * self.frame].astype(np.int64)
        energies = np.empty((frames, self.octaves), np.int64)
        for octave in range(self.octaves if frames else 0):
            low, high = split(low)
            energies[:, octave] = (high * high).reshape(frames, -1).sum(axis=1)
        return binary_log(energies).astype(np.int16)

    def emit(self, version: str) -> dict[str, str]:
        """The C, by file name: the same bits, fed sample by sample."""
        return {f"{self.name}.h": self._header(version), f"{self.name}.c": self._source(version)}

    def _header(self, version: str) -> str:
        name, macro = self.name, self.name.upper()
        lines = [
            *_top(f"{name}.h", version),
            f" * Log-energies of {self.octaves} octaves, the highest first, of every {self.frame} "
            "samples.",
            " *",
            f" *     static struct {name}_state state;",
            f" *     int16_t energies[{macro}_OCTAVES];",
            f" *     {name}_init(&state);",
            f" *     for each sample: if ({name}_push(&state, sample, energies))"
            " consume(energies);",
            " */",
            f"#ifndef MIDGE_FRAMES_{macro}_H",
            f"#define MIDGE_FRAMES_{macro}_H",
            "",
            "#include <stdint.h>",
            "",
            *FOR_CPP,
            f"#define {macro}_OCTAVES {self.octaves}",
            f"#define {macro}_FRAME {self.frame}",
            "",
            f"struct {name}_state {{",
            f"    uint64_t energy[{macro}_OCTAVES];",
            "    struct {",
            "        int16_t ring[32];",
            "        uint32_t at;",
            f"    }} band[{macro}_OCTAVES];",
            "    uint32_t samples;",
            "};",
            "",
            "/* Before the first sample. */",
            f"void {name}_init(struct {name}_state *state);",
            "",
            f"/* The next sample. Returns 1 with the last of a frame, and then `energies` are its: "
            f"{LOG_UNIT} is a",
            "   doubling. */",
            f"int {name}_push(struct {name}_state *state, int16_t sample, int16_t *energies);",
            "",
            *FOR_CPP_END,
            "#endif",
            "",
        ]
        return "\n".join(lines)

    def _source(self, version: str) -> str:
        name, macro = self.name, self.name.upper()
        return "\n".join(
            [
                *_top(f"{name}.c", version)[:-1],
                " */",
                f'#include "{name}.h"',
                "",
                signal_text(_HEADERS).rstrip(),
                "",
                f"void {name}_init(struct {name}_state *state) {{",
                "    MIDGE_FILL(state, 0, sizeof *state);",
                "}",
                "",
                f"MIDGE_LAYER void {name}_end(struct {name}_state *state, int16_t *energies) {{",
                f"    for (uint32_t k = 0; k < {macro}_OCTAVES; k++) {{",
                "        energies[k] = (int16_t)midge_binary_log(state->energy[k]);",
                "        state->energy[k] = 0u;",
                "    }",
                "    state->samples = 0u;",
                "}",
                "",
                f"int {name}_push(struct {name}_state *state, int16_t sample, int16_t *energies) "
                "{",
                "    int32_t low = sample, high;",
                f"    for (uint32_t k = 0; k < {macro}_OCTAVES; k++) {{",
                "        if (!midge_half_band(state->band[k].ring, &state->band[k].at, low, &low, "
                "&high)) {",
                "            break;",
                "        }",
                "        const uint32_t size = (uint32_t)midge_absolute(high);",
                "        state->energy[k] += size * size;",
                "    }",
                f"    if (++state->samples < {macro}_FRAME) {{",
                "        return 0;",
                "    }",
                f"    {name}_end(state, energies);",
                "    return 1;",
                "}",
                "",
            ]
        )


def split(samples: Integers) -> tuple[Integers, Integers]:
    """Lower and upper half of the frequencies at half the rate, int64 [n] -> [n // 2] each.

    Zeros stand before the first sample. The upper half lies below 2**16 in magnitude.
    """
    sums = np.convolve(samples, np.asarray(TAPS, np.int64))[: samples.size]
    low: Integers = np.clip((sums + (1 << (TAP_BITS - 1))) >> TAP_BITS, -32767, 32767)
    return low[1::2], (delayed(samples, len(TAPS) // 2) - low)[1::2]


def binary_log(values: Integers) -> Integers:
    """256 log2(value + 1), rounded down to the bits that squaring a 16-bit mantissa gives.

    Args:
        values: 0 to below 2**62.
    """
    grown = values + 1
    whole: Integers = np.zeros_like(grown)
    for shift in (32, 16, 8, 4, 2, 1):
        whole += np.where(grown >> (whole + shift) > 0, shift, 0)
    down = np.maximum(whole - _MANTISSA_BITS, 0)
    up = np.maximum(_MANTISSA_BITS - whole, 0)
    mantissa = (grown >> down) << up
    for _ in range(_FRACTION_BITS):
        squared = (mantissa * mantissa) >> _MANTISSA_BITS
        two = squared >> (_MANTISSA_BITS + 1)
        whole = 2 * whole + two
        mantissa = squared >> two
    return whole


def _top(file: str, version: str) -> list[str]:
    return [
        "/*",
        f" * {file}: emitted by Midge {version}. Do not edit: emit it again.",
        *(f" * {line}" for line in LICENCE.splitlines()),
        " *",
    ]
