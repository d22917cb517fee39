"""The learner on the heart rate: which record, what is counted, what is drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from sample_ecg_reports import heart_rate, sample

from midge.adapt import Trace
from midge.errors import UserError
from midge.recipes.ecg.heart_rate import (
    Followed,
    HeartRate,
    add_up,
    choose_record,
    heart_rates,
    new_learner,
    shown_record,
    tally,
)
from midge.recipes.ecg.records import Record, import_wfdb
from midge.recipes.ecg.report_heart_rate import (
    LEFT,
    RIGHT,
    close_up_of,
    draw_heart_rate,
    figure_row,
)
from midge.recipes.ecg.report_page import render_ecg_html
from midge.recipes.ecg.rhythms import Episode, episodes_of, read_rhythms
from report.page_structure import Element, read_page

N = 30


def followed(
    classes: str = "N" * N,
    missed: Sequence[int] = (),
    flagged: Sequence[int] = (),
    rhythms: tuple[Episode, ...] = (),
    regimes: Sequence[int] = (0,) * N,
) -> Followed:
    """A beat a second; the learner always forecasts 65, each tenth of a beat less usual."""
    beats = (np.arange(N) + 1) * 360
    seen = np.array([i for i in range(N) if i not in missed])
    many = seen.size - 1
    record = Record(
        "7", 360, "MLII", np.zeros(N * 360 + 400, np.int16), 200.0, beats, np.array(list(classes))
    )
    trace = Trace(
        forecasts=np.full((many, 1, 1), 65, np.float32),
        anomaly=np.full(many, 0.25),
        is_flagged=np.isin(np.arange(many), flagged),
        regime=np.asarray(regimes, np.int64)[:many],
        is_new=np.zeros(many, np.bool_),
        drift=np.zeros(many, np.bool_),
    )
    return Followed(record, beats[seen] + 3, rhythms, trace)


def test_rates_are_beats_a_minute() -> None:
    assert heart_rates(np.array([100, 460, 640]), 360).tolist() == [60.0, 120.0]


def test_notes_of_rhythms_become_episodes() -> None:
    notes = [(5, "(N\0"), (9, ""), (20, "(AFIB\0"), (30, "(AFIB"), (35, "TS"), (40, "(N")]
    expected = (Episode(5, 20, "N"), Episode(20, 40, "AFIB"), Episode(40, 50, "N"))
    assert episodes_of([*notes, (50, "(VT")], 50) == expected
    assert episodes_of([(3, "")], 50) == ()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_rhythms_are_read_from_annotations(tmp_path: Path) -> None:
    wfdb = import_wfdb()
    wfdb.wrann(
        "7", "atr", np.array([10, 30, 90]), symbol=["+", "N", "+"],
        aux_note=["(N", "", "(AFL"], write_dir=str(tmp_path),
    )  # fmt: skip
    expected = (Episode(10, 90, "N"), Episode(90, 400, "AFL"))
    assert read_rhythms(tmp_path, "7", 400) == expected
    with pytest.raises(UserError, match=r"8\.atr: wfdb cannot read"):
        read_rhythms(tmp_path, "8", 400)


def test_the_record_is_chosen_by_its_rhythms_alone() -> None:
    sinus, flutter, atrial = (Episode(0, 9, name) for name in ("N", "AFL", "AFIB"))
    index, why = choose_record([(sinus, flutter), (atrial,), (atrial, sinus), (sinus, atrial)])
    assert index == 2
    assert "both" in why
    index, why = choose_record([(), (sinus,)])
    assert index == 0
    assert "none has both" in why


def test_errors_are_those_of_forecasts_made_before() -> None:
    found = tally(followed())
    assert (found.beats, found.forecast) == (N - 1, N - 2)
    assert found.learner_bpm == 5.0 * (N - 2)
    assert (found.last_bpm, found.mean_bpm) == (0, 0)
    assert (found.below_last, found.below_mean) == (0, 0)


def test_baselines_see_the_past_alone() -> None:
    # The interval over the missed beat is twice as long: 30 a minute, once.
    found = tally(followed(missed=(20,)))
    assert found.last_bpm == 30.0 + 30.0
    assert found.mean_bpm == pytest.approx(30.0 + 8 * 30.0 / 8, abs=1e-3)
    assert found.learner_bpm == 5.0 * (found.forecast - 1) + 35.0


def test_odd_beats_are_those_that_no_sinus_node_made() -> None:
    classes = "N" * 10 + "V" + "N" * 9 + "Q" + "N" * 9
    found = tally(followed(classes, missed=(25,), flagged=(9, 10, 11)))
    # To the V and from it, and over the missed one; Q is nobody's guess.
    assert (found.odd, found.flagged, found.flagged_odd) == (3, 3, 2)


def test_beats_near_a_change_of_rhythm_are_counted_once() -> None:
    rhythms = (Episode(0, 5400, "N"), Episode(5400, 6120, "AFIB"), Episode(6120, 11000, "N"))
    found = tally(followed(rhythms=rhythms, flagged=(0, 14, 28), regimes=[0] * 14 + [1] * 16))
    # Beats 3 to 26 of 29 intervals: ten to each side of the changes, which stand at 13 and 15.
    assert (found.changes, found.near, found.flagged_near) == (2, 22, 1)
    assert (found.rhythm_beats, found.commonest, found.by_regime) == (29, 27, 27)
    assert tally(followed(rhythms=rhythms[:1])).rhythm_beats == 0


def test_tallies_add_up() -> None:
    one, two = tally(followed()), tally(followed(missed=(20,), flagged=(3,)))
    both = add_up([one, two])
    assert both.beats == one.beats + two.beats
    assert both.records == 2
    assert both.learner_bpm == one.learner_bpm + two.learner_bpm
    row = figure_row("", replace(both, flagged=0))
    assert row.odd[0] is None
    assert row.near == (None, None)


def test_what_is_shown_survives_json() -> None:
    shown = shown_record(
        followed("NSV" * 10, rhythms=(Episode(0, 900, "N"),), flagged=(4,)),
        "by lot", tally(followed()), heart_rate().board,
    )  # fmt: skip
    assert HeartRate.from_json(json.loads(json.dumps(asdict(shown)))) == shown
    assert shown.flagged == (4,)
    assert shown.forecast_bpm[:2] == (None, 65.0)
    assert [name for _, name in shown.ectopic] == ["S", "V"] * 10
    assert shown.rhythms[0].to_s == 2.5


def test_the_learner_starts_from_nothing_and_learns_a_rhythm() -> None:
    rates = np.tile([60.0, 60.0, 90.0], 80)
    trace = new_learner().run(rates[:, None])
    errors = np.abs(trace.forecasts[:-1, 0, 0] - rates[1:])
    assert trace.forecasts[0, 0, 0] == 60.0
    assert errors[-60:].mean() < 0.1 * np.abs(np.diff(rates))[-60:].mean()


def test_a_close_up_stands_where_the_rhythm_changes() -> None:
    heart = replace(heart_rate(), duration_s=600.0)
    fibrillation = replace(heart.rhythms[1], from_s=300.0)
    assert close_up_of(replace(heart, rhythms=(heart.rhythms[0], fibrillation))) == (240.0, 360.0)
    assert close_up_of(replace(heart, rhythms=())) == (240.0, 360.0)
    assert close_up_of(heart) == (0.0, 120.0)
    assert close_up_of(heart_rate()) == (0.0, 41.0)


def test_a_picture_shows_what_lies_in_its_time() -> None:
    heart = heart_rate()
    whole = draw_heart_rate(heart, 0.0, 41.0)
    assert (len(whole.measured), len(whole.forecast), len(whole.flags)) == (40, 39, 2)
    assert [box.css for box in whole.regimes] == ["settling", "regime-0", "regime-1"]
    assert [box.css for box in whole.rhythms] == ["sinus", "fibrillation", "other"]
    assert whole.rhythms[2].title == "idioventricular rhythm, 0:31 to 0:41"
    fast, slow = whole.measured[25], whole.measured[35]
    assert fast[1] < slow[1]
    assert whole.threshold > whole.flags[0][2]
    part = draw_heart_rate(heart, 10.0, 30.0)
    assert (len(part.measured), len(part.flags), len(part.regimes)) == (21, 1, 2)
    assert part.measured[0][0] == LEFT
    assert part.regimes[0].x == LEFT
    assert part.regimes[-1].x + part.regimes[-1].width == pytest.approx(RIGHT)
    assert [mark.text for mark in part.times] == ["0:10", "0:20", "0:30"]


def test_a_rate_beyond_the_paper_stops_at_its_edge() -> None:
    heart = heart_rate()
    wild = replace(heart, rate_bpm=(700.0, *heart.rate_bpm[1:]), anomaly=(0.0,) * 40)
    picture = draw_heart_rate(wild, 0.0, 41.0)
    assert picture.measured[0][1] == picture.rates.top
    assert {y for _, y in picture.stems} == {picture.surprise.top}


def _section(html: str) -> Element:
    return next(
        s
        for s in read_page(html).find_all("section")
        if s.attributes.get("aria-labelledby") == "heart"
    )


def test_the_page_says_where_a_baseline_wins() -> None:
    section = _section(render_ecg_html(sample()))
    (table,) = section.find_all("table", "heart")
    first = [cell.words for cell in table.find_all("tbody")[0].children[0].children]
    assert first[:6] == ["record 208", "40", "2.00", "3.00", "2.50", "100.0"]
    assert first[6].startswith("75.0 %")
    assert "25.0 % of all beats" in first[6]
    assert "In 2 of 2 test records" in section.words
    assert "in 0 below that of the mean" in section.words
    assert "19,200 cycles a beat (0.30 ms at 64 MHz)" in section.words
    assert len(section.find_all("svg")) == 2


def test_the_page_says_what_is_made_up_and_what_differs() -> None:
    report = sample()
    board = replace(report.heart_rate.board, cycles=None, equal=False)
    heart = replace(report.heart_rate, rhythms=(), board=board)
    section = _section(render_ecg_html(replace(report, synthetic=True, heart_rate=heart)))
    assert "SYNTHETIC" in section.words
    assert "a defect" in section.words
    assert "cycles a beat" not in section.words
