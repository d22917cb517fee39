"""What the ECG recipe's uplink sends: bits a sample, and bytes against how many beats are flagged.

::

    python -m bench.ecg_uplink [--data FOLDER] [--output FOLDER]

Records of DS1, beats of the recipe's detector, bytes of the uplink's twin, which equal the
device's. Which beats are flagged is drawn here, so the figures depend on no network. The summary
goes to ``bench/results/ecg_uplink.md`` and ``.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import numpy.typing as npt

import midge
from bench.markdown import RESULTS, table, write_results
from bench.progress import Progress
from midge import MidgeError, UserError
from midge.recipes.ecg.beat_matching import match_record
from midge.recipes.ecg.database import Database, open_database
from midge.recipes.ecg.detector import ecg_chain
from midge.recipes.ecg.uplink import Traffic, ecg_uplink, traffic_of
from midge.signals import Chain
from midge.signals.rice import Int16Array, Int64Array
from midge.signals.uplink import UplinkBeats

CONTEXTS = ((0.5, 0.7), (1.0, 1.0), (2.0, 2.0), (3.0, 3.0))
"""Seconds kept before and behind a flagged beat."""
PAYLOAD_BYTES = 3
FLAGS = (
    ("at random", False, (0.05, 0.10, 0.15)),
    ("all S, V and F, others at random", True, (0.0, 0.15, 0.20)),
)
"""Which beats are flagged, whether those of the classes S, V and F, and the share of all."""


@dataclass(frozen=True)
class Heard:
    """A record of DS1 after the detector.

    Attributes:
        name: The record's.
        samples: int16 [n].
        positions: int64 [k], of its detected beats.
        decided_at: int64 [k].
        ectopic: bool [k], whether the beat is one of S, V or F.
        drawn: float64 [k], a number in [0, 1) for each beat: those below a limit are flagged.
    """

    name: str
    samples: Int16Array
    positions: Int64Array
    decided_at: Int64Array
    ectopic: npt.NDArray[np.bool_]
    drawn: npt.NDArray[np.float64]

    def send(self, rate_hz: float, context: tuple[float, float], flags: npt.ArrayLike) -> Traffic:
        """What goes up of it when these beats are flagged."""
        uplink = ecg_uplink(rate_hz, PAYLOAD_BYTES, before_s=context[0], after_s=context[1])
        flagged = np.asarray(flags, np.bool_)
        beats = UplinkBeats(
            self.positions,
            np.minimum(self.decided_at, self.samples.size - 1),
            flagged.astype(np.uint8),
            np.zeros((flagged.size, PAYLOAD_BYTES), np.uint8),
        )
        return traffic_of(uplink, self.samples, beats, uplink.run(self.samples, beats))


def hear(database: Database, chain: Chain, name: str, generator: np.random.Generator) -> Heard:
    """Read a record and find its beats."""
    record = database.record(name)
    found = chain.detect(record.samples)
    classes = match_record(record, found.positions).carried(record.classes)
    drawn = generator.random(len(found))
    ectopic = np.isin(classes, list("SVF"))
    return Heard(name, record.samples, found.positions, found.decided_at, ectopic, drawn)


def limit(records: Sequence[Heard], ectopic: bool, share: float) -> float:
    """Below which drawn numbers flag beats, so that about that share of all is flagged."""
    if not ectopic:
        return share
    beats = sum(heard.ectopic.size for heard in records)
    already = sum(int(heard.ectopic.sum()) for heard in records)
    return max(0.0, (share * beats - already) / max(beats - already, 1))


def report(coders: dict[str, float], rows: Sequence[tuple[str, list[Traffic]]]) -> str:
    """The page."""
    total = rows[0][1][0]
    costs = table(
        ["flagged", "share of beats, %", *(f"{a:g} + {b:g} s" for a, b in CONTEXTS)],
        [
            [
                title,
                f"{100 * sent[0].flagged / sent[0].beats:.1f}",
                *(f"{100 * traffic.sent_share:.1f}" for traffic in sent),
            ]
            for title, sent in rows
        ],
    )
    memory = [ecg_uplink(360, PAYLOAD_BYTES, before_s=a, after_s=b).ram_bytes for a, b in CONTEXTS]
    each = table(["record", "bits a sample"], [[n, f"{b:.2f}"] for n, b in coders.items()])
    return (
        "# The uplink of the ECG recipe\n\n"
        f"Written by `python -m bench.ecg_uplink`. Midge {midge.__version__}. DS1 of MIT-BIH, lead "
        "MLII; beats of the recipe's detector.\n\n"
        f"The coder alone takes {total.coded_bits:.2f} bits a sample: streaming everything, coded, "
        f"takes {100 * total.coded_bytes / total.packed_bytes:.1f} % of 12 bits a sample (format "
        f"212) and {100 * total.coded_bytes / total.plain_bytes:.1f} % of 16.\n\n"
        "Bytes sent, in percent of 12 bits a sample, by the seconds kept before and behind a "
        f"flagged beat; heads, checks and beats with {PAYLOAD_BYTES} bytes of payload counted:\n\n"
        f"{costs}\nRAM with the store, in the order of the columns: "
        f"{', '.join(f'{size:,}' for size in memory)} bytes.\n\n{each}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the summary."""
    parser = argparse.ArgumentParser(description="The ECG recipe's uplink alone.")
    parser.add_argument("--data", help="folder with the records of MIT-BIH")
    parser.add_argument("--output", default=RESULTS, help="folder of the summary")
    options = parser.parse_args(arguments)
    try:
        database = open_database(options.data)
        if database.synthetic:
            raise UserError(f"{database.notice}. Figures are kept of real records only")
        chain, generator = ecg_chain(), np.random.default_rng(0)
        cases = [(title, both, share) for title, both, shares in FLAGS for share in shares]
        progress = Progress("ecg uplink", len(database.ds1) * (1 + len(cases) * len(CONTEXTS)))
        records = []
        for name in database.ds1:
            records.append(hear(database, chain, name, generator))
            progress.advance(1, name)
        rows: list[tuple[str, list[Traffic]]] = []
        coders: dict[str, float] = {}
        for title, both, share in cases:
            under = limit(records, both, share)
            sent = []
            for context in CONTEXTS:
                parts = []
                for heard in records:
                    flags = (heard.drawn < under) | (heard.ectopic & both)
                    parts.append(heard.send(chain.rate_hz, context, flags))
                    coders[heard.name] = parts[-1].coded_bits
                    progress.advance(1, title)
                sent.append(reduce(add, parts))
            rows.append((title, sent))
        progress.close()
        content = {
            "midge": midge.__version__,
            "bits_a_sample": coders,
            "sent_share": [
                {
                    "flagged": title,
                    "share": traffic.flagged / traffic.beats,
                    "before_s": before_s,
                    "after_s": after_s,
                    "of_12_bits": traffic.sent_share,
                    "dropped_segments": traffic.dropped_segments,
                    "lost_items": traffic.lost_items,
                }
                for title, sent in rows
                for (before_s, after_s), traffic in zip(CONTEXTS, sent, strict=True)
            ],
        }
        write_results(options.output, "ecg_uplink", report(coders, rows), content)
    except MidgeError as error:
        print(f"midge: error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
