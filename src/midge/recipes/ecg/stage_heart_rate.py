"""Stage `heart`: the learner follows the heart rate of the test records, beat by beat."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from midge.driver.learner import compile_learner
from midge.driver.learner_host import HostLearner
from midge.driver.learner_stream import digest_of
from midge.errors import UserError
from midge.recipes.digests import digest_of_file, digest_of_json
from midge.recipes.ecg.database import SYNTHETIC
from midge.recipes.ecg.heart_rate import (
    HORIZON,
    Float64Array,
    Followed,
    Int64Array,
    OnBoard,
    add_up,
    choose_record,
    heart_rates,
    new_learner,
    shown_record,
    tally,
)
from midge.recipes.ecg.records import Record
from midge.recipes.ecg.rhythms import read_rhythms
from midge.recipes.ecg.stage_data import database_of, load_detections, load_records
from midge.recipes.recipe import Settings
from midge.recipes.stage_context import StageContext
from midge.virtual_mcu import target

LEAST_BEATS = 16
"""In a record that can be shown."""
BEATS_ON_BOARD = 300


def annotations_fingerprint(settings: Settings) -> str:
    """The digest of the test records' annotations, or of what made-up ones are made from."""
    database = database_of(settings)
    if database.folder is None:
        return f"{SYNTHETIC} {settings.seed}"
    paths = {name: database.folder / f"{name}.atr" for name in database.ds2}
    return digest_of_json({name: digest_of_file(path) for name, path in paths.items()})


def follow_heart_rate(context: StageContext) -> None:
    """Leaves ``heart_rate.json``: a `HeartRate`.

    Raises:
        UserError: hardly a beat was found in any test record.
    """
    beats = _beats(context)
    folder = database_of(context.settings).folder
    followed = []
    for number, (record, positions) in enumerate(beats):
        context.progress.at(number, len(beats) + 1, f"record {record.name}")
        samples = record.samples.size
        rhythms = () if folder is None else read_rhythms(folder, record.name, samples)
        rates = heart_rates(positions, record.rate_hz)
        trace = HostLearner(new_learner()).run(rates[:, None])
        followed.append(Followed(record, positions, rhythms, trace))
    index, chosen = choose_record([one.rhythms for one in followed])
    shown = followed[index]
    context.progress.at(len(beats), len(beats) + 1, context.settings.target)
    board = run_on_board(context.settings.target, shown.rates[:BEATS_ON_BOARD])
    result = shown_record(shown, chosen, add_up([tally(one) for one in followed]), board)
    context.save_json("heart_rate.json", asdict(result))


def _beats(context: StageContext) -> list[tuple[Record, Int64Array]]:
    """The test records in which beats were found, and where: int64 [k]."""
    records = load_records(context, "test")
    found = load_detections(context, [record.name for record in records])
    beats = [
        (record, detections.positions.astype(np.int64))
        for record, detections in zip(records, found, strict=True)
        if detections.positions.size >= LEAST_BEATS
    ]
    if not beats:
        raise UserError(
            f"heart rate: no test record has {LEAST_BEATS} detected beats; expected one at least. "
            "Look at the signals of lead MLII: `records` and `detect` went before"
        )
    return beats


def run_on_board(board: str, rates: Float64Array) -> OnBoard:
    """Feed heart rates to the learner's C on the emulated board, and hold it against the twin.

    Args:
        board: As `midge targets` names it.
        rates: float64 [n], beats a minute.
    """
    place, samples = target(board), rates[:, None]
    ran = compile_learner(new_learner(), target=board).run(samples, forecasts=True)
    twin = new_learner().run(samples, range(1, HORIZON + 1))
    told = ran.told
    pairs = (
        (told["anomaly"], twin.anomaly.astype(np.float32)),
        (told["regime"], twin.regime),
        (told["is_flagged"], twin.is_flagged),
        (told["is_new"], twin.is_new),
        (told["drift"], twin.drift),
        (told["digest"], digest_of(twin.forecasts)),
    )
    return OnBoard(
        title=place.title,
        clock_hz=place.clock_hz,
        beats=len(told),
        cycles=ran.cost.cycles,
        ram_bytes=ran.cost.ram_bytes,
        state_bytes=ran.cost.state_bytes,
        flash_bytes=ran.cost.flash_bytes,
        equal=all(np.array_equal(ours, theirs) for ours, theirs in pairs),
    )
