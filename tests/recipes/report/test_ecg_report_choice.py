"""Strips: the right beats under the right heading, cut where they are."""

from __future__ import annotations

import pytest
from judged_records import judged

from midge.recipes.ecg.report_choice import EACH, KINDS, choose_strips, cut_strip
from midge.recipes.ecg.report_strips import draw_strip


@pytest.mark.parametrize(
    ("truth", "device", "cascade", "flag", "title"),
    [
        ("V", "V", "V", "!", "Ventricular, seen on the wrist and confirmed"),
        ("S", "S", "S", "!", "Supraventricular, seen on the wrist and confirmed"),
        ("V", "N", "V", "!", "Wrong on the wrist, put right by the cloud"),
        ("S", "N", "N", ".", "Ectopic and never flagged: missed"),
        ("V", "V", "N", "!", "Flagged, and the cloud missed it"),
        ("N", "S", "S", "!", "Normal, and called ectopic in the end"),
    ],
)
def test_each_beat_under_its_heading(
    truth: str, device: str, cascade: str, flag: str, title: str
) -> None:
    one = judged(
        "100", f"NNNN{truth}NNNN", f"NNNN{device}NNNN", f"NNNN{cascade}NNNN", f"....{flag}...."
    )
    strips = choose_strips([one])
    assert [s.kind for s in strips] == [title]
    (strip,) = strips
    assert strip.right == (truth == cascade)
    beat = strip.beats[strip.middle]
    assert (beat.reference, beat.device, beat.cascade) == (truth, device, cascade)
    assert beat.flagged == (flag == "!")


def test_strips_come_from_as_many_patients_as_there_are() -> None:
    some = [
        judged(
            name,
            "NNN" + "V" * 6 + "NNN",
            "NNN" + "V" * 6 + "NNN",
            "NNN" + "V" * 6 + "NNN",
            "...!!!!!!...",
        )
        for name in ("100", "101", "102", "103")
    ]
    strips = choose_strips(some)
    assert len(strips) == EACH
    assert len({s.record for s in strips}) == EACH
    alone = choose_strips(some[:1])
    assert [s.record for s in alone] == ["100"] * EACH
    assert len({s.start_s for s in alone}) == EACH
    assert choose_strips(some) == strips


def test_a_strip_is_cut_round_its_beat_with_all_that_was_said() -> None:
    one = judged("200", "NNNNVNNNN", "NNNNVNNNN", "NNNNNNNNN", "....!....", missed=(5,))
    strip = cut_strip("kind", False, one, 4)
    middle = strip.beats[strip.middle]
    assert (middle.reference, middle.device, middle.cascade) == ("V", "V", "N")
    assert middle.at == pytest.approx(2.5 * strip.rate_hz, abs=1)
    unseen = strip.beats[strip.middle + 1]
    assert (unseen.reference, unseen.device, unseen.cascade) == ("N", "", "")
    # The reference is marked five samples before the detection, at the spike.
    spikes = [i for i, v in enumerate(strip.millivolts) if v == 1.0]
    assert any(abs(i - unseen.at) <= 1 for i in spikes)
    begin = round(strip.start_s * 360)
    ((first, end),) = strip.sent
    assert first == pytest.approx((1000 - begin) / 2, abs=1)
    assert end == pytest.approx((2000 - begin) / 2, abs=1)
    picture = draw_strip(strip)
    assert {letter.text for letter in picture.letters} == {"N", "V", "·"}


def test_beats_at_a_record_s_ends_are_not_shown() -> None:
    one = judged("100", "VNNNNNNNV", "VNNNNNNNV", "VNNNNNNNV", "!.......!")
    assert choose_strips(one and [one]) == ()


def test_no_beat_belongs_to_two_headings() -> None:
    letters = "NSVF"
    cases = [(t, d, c, f) for t in letters for d in "NSV" for c in "NSV" for f in "!."]
    one = judged("100", *("".join(column) for column in zip(*cases, strict=True)))
    counted = sum(kind.of(one).astype(int) for kind in KINDS)
    assert counted.max() == 1
