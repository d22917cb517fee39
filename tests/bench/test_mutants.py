from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.mutants_judge import kernel_files
from bench.mutants_record import Record
from bench.mutants_source import Mutant, mutants, tokens

from bench import mutants as script
from bench import mutants_judge
from support.networks import single_ops

SAMPLE = r"""/* a + b, "quoted" */
#define TWICE(x) ((x) + 2) /* still
    a directive: 3 < 4 */
#if defined(__arm__) && \
    !defined(__thumb__)
#endif // x - 1
struct pair { int32_t a[3][4], b; };
static const int32_t table[2] = {-5, 0x1Fu};

static int32_t f(const int8_t *x, int32_t n) __attribute__((aligned(8)));
static int32_t f(const int8_t *x, int32_t n) {
    const char *text = "1 + 2 \" < 3"; char c = '*';
    __asm__ volatile("add %0, %1, #4" : "=r"(n) : "r"(n + 7));
    for (int32_t i = 0; i < n && !c; i++) {
        n += x[i] * (int32_t)-*x;
    }
    return n ? -n : (n << 3) - 1.5f;
}

#define KERNEL(name, element, next)                    \
    static int32_t name(const element *x, int32_t n) { \
        return n / 2 + (next);                         \
    }
KERNEL(g, int8_t, 3.5e+30f * *x)
"""


def changes(source: str) -> list[tuple[str, str, str]]:
    return [(m.kind, m.old, m.new) for m in mutants("sample.h", source)]


def changes_within(body: str) -> list[tuple[str, str, str]]:
    return changes(f"void f(int a) {{ {body} }}")


def find(function: str, text: str, kind: str) -> Mutant:
    every = (m for name, source in kernel_files().items() for m in mutants(name, source))
    wanted = (function, text, kind, 1)
    (found,) = (m for m in every if (m.function, m.text, m.kind, m.occurrence) == wanted)
    return found


@pytest.mark.tiny
def test_tokens_leave_out_comments_and_preprocessor_lines() -> None:
    texts = [token.text for token in tokens(SAMPLE)]
    assert texts[:5] == ["struct", "pair", "{", "int32_t", "a"]
    assert '"1 + 2 \\" < 3"' in texts
    assert "'*'" in texts
    assert not {"TWICE", "quoted", "directive"} & set(texts)
    assert all(SAMPLE.startswith(t.text, t.start) for t in tokens(SAMPLE))


@pytest.mark.tiny
def test_every_mutant_of_a_sample() -> None:
    found = [(m.function, m.line, m.kind, m.old, m.new) for m in mutants("sample.h", SAMPLE)]
    assert found == [
        ("", 8, "negate", "-", ""),
        ("", 8, "constant", "5", "6"),
        ("", 8, "constant", "0x1Fu", "0x20u"),
        ("f", 14, "constant", "0", "1"),
        ("f", 14, "less", "<", "<="),
        ("f", 14, "and", "&&", "||"),
        ("f", 14, "not", "!", ""),
        ("f", 15, "plus_assign", "+=", "-="),
        ("f", 15, "times", "*", "+"),
        ("f", 15, "negate", "-", ""),
        ("f", 17, "negate", "-", ""),
        ("f", 17, "shift_left", "<<", ">>"),
        ("f", 17, "constant", "3", "4"),
        ("f", 17, "minus", "-", "+"),
        ("f", 17, "constant", "1.5f", "(1.5f + 1)"),
        ("KERNEL", 22, "over", "/", "*"),
        ("KERNEL", 22, "constant", "2", "3"),
        ("KERNEL", 22, "plus", "+", "-"),
        ("g", 24, "constant", "3.5e+30f", "(3.5e+30f / 2)"),
        ("g", 24, "times", "*", "+"),
    ]
    # The line's text ends where its last token does, even in a macro.
    assert mutants("sample.h", SAMPLE)[-3].text == "return n / 2 + (next);"


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a = b - c;", [("minus", "-", "+")]),
        ("a = (b) - c;", [("minus", "-", "+")]),
        ("a = (int)-c;", [("negate", "-", "")]),
        ("a = (struct s *)-c;", [("negate", "-", "")]),
        ("a = sizeof(int) - c;", [("minus", "-", "+")]),
        ("a = f(int32_t) * c;", [("times", "*", "+")]),
        ("if (a) *p = -c;", [("negate", "-", "")]),
        ("a = p[b] * c;", [("times", "*", "+")]),
        ("a = p[3] * c;", [("constant", "3", "4"), ("times", "*", "+")]),
        ("struct s p[3]; int q[4] = {5};", [("constant", "5", "6")]),
        ("int p[3][4], *q, r[5];", [("constant", "5", "6")]),
        ("int p, q[3][4], r[5];", []),
        ("f(a, p[3]);", [("constant", "3", "4")]),
        ("struct s *p, *q; const T_t *const r;", []),
        ("a = b++ - c;", [("minus", "-", "+")]),
        ("++*p; a = &b; f(&b, *p);", []),
        ("a = b & c; a &= b;", [("bit_and", "&", "|"), ("bit_and_assign", "&=", "|=")]),
        ("return -a;", [("negate", "-", "")]),
        ("return (a) - b;", [("minus", "-", "+")]),
        ("return (int)-b;", [("negate", "-", "")]),
        ("a->b >= c || a <= b;", [("at_least", ">=", ">"), ("or", "||", "&&"), ("at_most", "<=", "<")]),
        ("a % b; a / b; a >> b;", [("modulo", "%", "/"), ("over", "/", "*"), ("shift_right", ">>", "<<")]),
        ("a == b; a != b; a > b;", [("equal", "==", "!="), ("unequal", "!=", "=="), ("greater", ">", ">=")]),
        ("a <<= b; a *= b;", [("shift_left_assign", "<<=", ">>="), ("times_assign", "*=", "+=")]),
    ],
)  # fmt: skip
def test_an_operator_behind_a_value_is_binary(
    body: str, expected: list[tuple[str, str, str]]
) -> None:
    assert changes_within(body) == expected


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("number", "larger"),
    [
        ("0", "1"),
        ("9", "10"),
        ("31u", "32u"),
        ("0xFFFFu", "0x10000u"),
        ("0x0Fu", "0x10u"),
        ("017", "020"),
        ("2147483647LL", "2147483648LL"),
        (".5f", "(.5f + 1)"),
        ("1e-3", "(1e-3 + 1)"),
        ("1e30f", "(1e30f / 2)"),
        ("0x1p31f", "(0x1p31f / 2)"),
        ("0x1.8p+3f", "(0x1.8p+3f + 1)"),
    ],
)
def test_a_constant_grows_by_one(number: str, larger: str) -> None:
    assert changes_within(f"a = {number};") == [("constant", number, larger)]


@pytest.mark.tiny
def test_a_key_outlives_shifted_lines_and_an_id_is_unique() -> None:
    line = "    a = b + c + 1;\n"
    source = f"void f(int a) {{\n{line}{line}}}\nvoid g(int a) {{\n{line}}}\n"
    found = mutants("sample.h", source)
    assert [(m.function, m.kind, m.occurrence) for m in found[:6]] == [
        ("f", "plus", 1),
        ("f", "plus", 2),
        ("f", "constant", 1),
        ("f", "plus", 3),
        ("f", "plus", 4),
        ("f", "constant", 2),
    ]
    assert found[0].id == "sample.h:2:11:plus"
    assert found[0].change == "a = b + c + 1;  ->  a = b - c + 1;"
    assert len({m.id for m in found}) == len({m.key for m in found}) == len(found) == 9
    shifted = mutants("sample.h", "/* a line */\n\n" + source)
    assert [m.key for m in shifted] == [m.key for m in found]


def test_mutants_of_the_kernels_change_one_place_each() -> None:
    every = [(m, text) for name, text in kernel_files().items() for m in mutants(name, text)]
    assert len({m.id for m, _ in every}) == len({m.key for m, _ in every}) == len(every) > 600
    for m, text in every:
        mutated = m.apply(text)
        assert mutated != text
        assert mutated[: m.start] == text[: m.start]
        assert mutated[m.start + len(m.new) :] == text[m.start + len(m.old) :]
        assert text.splitlines()[m.line - 1][m.column - 1 :].startswith(m.old)


@pytest.mark.tiny
def test_explanations_are_complete_and_named_once(tmp_path: Path) -> None:
    assert all(script.explanations(script.EXPLANATIONS).values())
    entry = '[[mutant]]\nfile = "a.h"\nfunction = "f"\nline = "a + b;"\nkind = "plus"\n'
    path = tmp_path / "explained.toml"
    path.write_text(f'{entry}occurrence = [1, 3]\nwhy = "so"\n', "utf-8")
    key = ("a.h", "f", "a + b;", "plus")
    assert script.explanations(path) == {(*key, 1): "so", (*key, 3): "so"}
    for wrong in (entry, f'{entry}why = "a"\n{entry}why = "b"\n', "[[mutant"):
        path.write_text(wrong, "utf-8")
        with pytest.raises(script.UserError):
            script.explanations(path)


MEAN = "return sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;"


def test_a_wrong_mutant_is_killed_and_an_equivalent_one_survives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first averages of the list are enough, and quicker than all networks.
    few = single_ops("AVERAGE_POOL_2D")[:3]
    monkeypatch.setattr(mutants_judge, "single_op_networks", lambda: list(few))
    wrong, equivalent = (find("midge_mean", MEAN, kind) for kind in ("plus", "greater"))
    explained = tmp_path / "explained.toml"
    explained.write_text(
        f'[[mutant]]\nfile = "{equivalent.file}"\nfunction = "midge_mean"\nline = "{MEAN}"\n'
        'kind = "greater"\nwhy = "0 either way"\n',
        "utf-8",
    )
    monkeypatch.setattr(script, "EXPLANATIONS", explained)
    for everyone, verdict in ((True, script.SURVIVED), (False, script.NOT_JUDGED)):
        report = script.run([wrong, equivalent], kernel_files(), jobs=2, everyone=everyone)
        assert [j.verdict for j in report.judged] == ["other outputs", verdict]
        assert report.rows() == [(wrong.file, 2, 1, 1, 0, 0)]
        assert not report.surviving
        assert report.unreached, "the other pools' kernels"

    explained.write_text("", "utf-8")
    folder = ["--output", str(tmp_path), "--record", str(tmp_path / "verdicts.jsonl")]
    assert script.main(["--match", equivalent.id, *folder]) == 1
    content = json.loads((tmp_path / "mutants.json").read_text("utf-8"))
    assert [s["id"] for s in content["survivors"]] == [equivalent.id]
    assert equivalent.id in (tmp_path / "mutants.md").read_text("utf-8")
    assert script.main(["--match", wrong.id, *folder]) == 0
    assert (
        script.main(
            [
                "--match",
                wrong.id,
                "--seconds",
                "-1",
                "--output",
                str(tmp_path),
                "--record",
                str(tmp_path / "none.jsonl"),
            ]
        )
        == 1
    )
    content = json.loads((tmp_path / "mutants.json").read_text("utf-8"))
    assert content["files"][wrong.file]["left"] == content["verdicts"]["not judged yet"] == 1
    # Both verdicts stand in the record now: a third run asks nobody.
    monkeypatch.setattr(script.Court, "judge", lambda *_: pytest.fail("judged again"))
    assert script.main(["--match", f"{wrong.id}|{equivalent.id}", *folder]) == 1


@pytest.mark.tiny
def test_a_record_keeps_what_still_holds(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "verdicts.jsonl"
    killed, survivor = (("a.h", "f", "a + b;", kind, 1) for kind in ("plus", "less"))
    with Record(path, (script.SURVIVED,)) as record:
        record.add(killed, "source", "judges", "crashes")
        record.add(survivor, "source", "judges", script.SURVIVED)
    # A run that was ended while it wrote leaves a part of a line.
    path.write_text(path.read_text("utf-8") + '{"key": ["a.h"', "utf-8")
    for _ in range(2):
        with Record(path, (script.SURVIVED,)) as record:
            assert record.find(killed, "source", "other judges") == "crashes"
            assert record.find(killed, "other source", "judges") is None
            assert record.find(survivor, "source", "judges") == script.SURVIVED
            assert record.find(survivor, "source", "other judges") is None
    with Record(path, (script.SURVIVED,)) as record:
        record.add(survivor, "source", "other judges", "hangs")
    with Record(path, (script.SURVIVED,)) as record:
        assert record.find(survivor, "source", "other judges") == "hangs"
        assert record.find(survivor, "source", "later judges") == "hangs"
    path.write_text("[]\n", "utf-8")
    with pytest.raises(script.UserError, match=r"verdicts.jsonl:1: no verdict: .*delete the file"):
        Record(path, ())


def test_explanations_that_explain_nothing_are_reported() -> None:
    wrong = find("midge_mean", MEAN, "plus")
    gone = (wrong.file, "midge_mean", "return 0;", "constant", 1)
    elsewhere = ("add_s8.h", "f", "return 0;", "constant", 1)
    explained = dict.fromkeys((wrong.key, gone, elsewhere), "so")
    judged = [script.Judged(wrong, "crashes")]
    report = script.Report(judged, explained, unreached=[])
    assert dict(report.stale) == {
        wrong.key: "it is killed: crashes",
        gone: "there is no such mutant",
    }
    assert "it is killed: crashes" in report.text()
