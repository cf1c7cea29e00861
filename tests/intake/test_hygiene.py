"""Untidy files: each spelling is refused with the option that accepts it, and read rightly with that option."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import pytest

from k2meta.intake import ACCEPT, Intake, Options, Source
from k2meta.intake.archive import unpacked
from k2meta.intake.hygiene import clean_number, neutralised, to_csv
from k2meta.intake.types import Read
from k2meta.types import Problem, ProjectError
from tests.intake.conftest import FILES, refusals, rows, text

Bring = Callable[..., Intake]
HEAD = "study,m1i,sd1i,n1i,m2i,sd2i,n2i\n"
MEANS = {"outcome": "x", "stage": "change"}

CELLS = [
    ("\N{MINUS SIGN}86", "unicode-minus", "-86"),
    ("\N{EN DASH}0.5", "unicode-minus", "-0.5"),
    ("1,834", "thousands", "1834"),
    ("12,345,678.9", "thousands", "12345678.9"),
    ("1\N{THIN SPACE}834", "spaces", "1834"),
    ("\N{NO-BREAK SPACE}12.30", "spaces", "12.30"),
    ("NR", "missing-words", ""),
    ("NA", "missing-words", ""),
    ("\N{EN DASH}", "missing-words", ""),
    ("not reported", "missing-words", ""),
    ("9-Oct", "excel-date", "9.10"),
    ("12.Dec", "excel-date", "12.12"),
]


def cell(content: str) -> Read:
    return Read("t.csv", 7, "m1i", content)


@pytest.mark.parametrize(("content", "option", "number"), CELLS)
def test_a_spelling_is_accepted_by_its_option_alone(content: str, option: str, number: str) -> None:
    refused = clean_number(cell(content), Options())
    assert isinstance(refused, Problem)
    assert (refused.row, refused.column, refused.value) == (7, "m1i", content)
    assert f"--accept {option}" in refused.fix
    others = frozenset(ACCEPT) - {option}
    assert isinstance(clean_number(cell(content), Options(accept=others)), Problem)
    found = clean_number(cell(content), Options(accept=frozenset({option})))
    assert not isinstance(found, Problem)
    assert (found.text, found.kind) == (number, "cleaned")


@pytest.mark.parametrize(
    "content",
    [
        "9-Jan",
        "10-Sep",
        "Oct-09",
        "2010-09-10",
        "9.10.2010",
        "1/2",
        "<0.001",
        "inf",
        "nan",
        "1e999",
        "0x10",
        "１２",
    ],
)
def test_what_has_no_certain_reading_is_refused_with_every_option(content: str) -> None:
    assert isinstance(clean_number(cell(content), Options(accept=frozenset(ACCEPT))), Problem)


@pytest.mark.parametrize("content", ["0.040", "-12.30", "1e-3", ".5", "+3", "007"])
def test_plain_numbers_keep_every_digit(content: str) -> None:
    found = clean_number(cell(content), Options(accept=frozenset(ACCEPT)))
    assert not isinstance(found, Problem)
    assert (found.text, found.kind) == (content, "copied")


@pytest.mark.parametrize(
    ("content", "number"), [("1,5", "1.5"), ("-0,040", "-0.040"), ("1834", "1834"), ("1,834", "1.834")]
)
def test_a_decimal_comma_is_read_only_where_it_is_stated(content: str, number: str) -> None:
    found = clean_number(cell(content), Options(decimal_comma=True))
    assert not isinstance(found, Problem)
    assert found.text == number
    if "," in content:
        assert "--decimal-comma" in clean_number(cell(content), Options()).fix  # type: ignore[union-attr]


def test_a_point_in_a_file_of_decimal_commas_is_not_guessed() -> None:
    assert isinstance(clean_number(cell("1.83"), Options(decimal_comma=True)), Problem)
    grouped = Options(decimal_comma=True, accept=frozenset({"thousands"}))
    assert clean_number(cell("1.834"), grouped).text == "1834"  # type: ignore[union-attr]
    assert isinstance(clean_number(cell("1.834"), Options(decimal_comma=True)), Problem)


def test_mean_and_sd_in_one_cell_fill_both_columns(bring: Bring) -> None:
    head = "study,m1i,n1i,m2i,n2i\n"
    file = text("t.csv", head + "A 2001,12.3 (4.5),40,\N{MINUS SIGN}1.0 ± 5.25,38\n")
    accept = frozenset({"mean-sd", "unicode-minus"})
    (row,) = rows(bring("metafor", file, accept=accept, **MEANS), "extractions")
    parts = ("mean_treat", "sd_treat", "mean_ctrl", "sd_ctrl")
    assert [row[f"change_{part}"] for part in parts] == ["12.3", "4.5", "-1.0", "5.25"]
    problems = refusals("metafor", [file], **MEANS)
    assert len(problems) == 2
    assert "--accept mean-sd" in problems[0]
    both = text("t.csv", HEAD + "A,12.3 (4.5),9,40,1,2,38\n")
    assert "already" in refusals("metafor", [both], accept=accept, **MEANS)[0]


ANY = {
    "encoding": "cp1252",
    "separator": ";",
    "decimal_comma": True,
    "accept": frozenset(
        {"unicode-minus", "thousands", "missing-words", "bound", "mean-sd", "range", "fill-down", "total-row"}
    ),
}


def plan() -> object:
    import yaml

    return yaml.safe_load((FILES / "any.yaml").read_text("utf-8"))


def test_a_german_spreadsheet_is_read_with_the_options_that_name_its_habits(bring: Bring) -> None:
    file = Source("any.csv", (FILES / "any.csv").read_bytes())
    found = bring("mapping", file, mapping=plan(), **ANY)
    first, second = rows(found, "extractions")
    assert [row["label"] for row in rows(found, "trials")] == ["Müller 2011", "Müller 2012"]
    assert [first["change_mean_treat"], first["change_sd_treat"], first["change_sd_ctrl"]] == [
        "-12.3",
        "4.5",
        "5.25",
    ]
    assert [first["diff_estimate"], first["diff_ci_low"], first["diff_ci_high"]] == ["-13.3", "-15.5", "-11.1"]
    assert [first["p_printed"], second["p_value"], second["n_ctrl"]] == ["<0,001", "0.69", ""]
    assert [first["baseline_mean_treat"], second["baseline_mean_treat"]] == ["18.34", "9.80"]
    assert [line.why for line in found.decisions if line.kind == "left_out"] == ["named in ignore"]
    assert "2,50 (4,0)" in {line.read for line in found.decisions if line.wrote == "2.50"}


def test_without_options_every_untidy_cell_is_named_at_once() -> None:
    file = Source("any.csv", (FILES / "any.csv").read_bytes())
    assert "--encoding cp1252" in refusals("mapping", [file], mapping=plan())[0]
    assert "--separator ';'" in refusals("mapping", [file], mapping=plan(), encoding="cp1252")[0]
    shape = refusals("mapping", [file], mapping=plan(), encoding="cp1252", separator=";")
    assert ["row 3" in shape[0], "row 4" in shape[1]] == [True, True]
    assert "--accept fill-down" in shape[0]
    some = frozenset({"fill-down", "total-row"})
    cells = refusals("mapping", [file], mapping=plan(), encoding="cp1252", separator=";", accept=some)
    assert len(cells) == 11  # five in row 2, six in row 3
    assert all("any.csv row " in problem and " column " in problem for problem in cells)


SHAPES = [
    ("study,yi,vi,,\nA,1,2,,\n", "blank-columns"),
    ("study,yi,vi\nA,1,2\n,,\nB,1,2\n", "blank-rows"),
    ("study,yi,vi,note,note\nA,1,2,x,y\n", "duplicate-headers"),
    ("study,yi,vi\nA,1,2\nTotal,1,2\n", "total-row"),
    ("study,yi,vi\nA,1,2\n,2,2\n", "fill-down"),
    ("study,yi,vi\n=cmd|' /C calc'!A0,1,2\n", "formula-text"),
    ("study,yi,vi\n@SUM(A1),1,2\n", "formula-text"),
]


@pytest.mark.parametrize(("content", "option"), SHAPES)
def test_a_shape_is_accepted_by_its_option_alone(content: str, option: str, bring: Bring) -> None:
    stated = {"outcome": "x", "measure": "MD"}
    assert f"--accept {option}" in refusals("metafor", [text("t.csv", content)], **stated)[0]
    found = bring("metafor", text("t.csv", content), accept=frozenset({option}), **stated)
    assert any(option in line.why for line in found.decisions)
    assert len(rows(found, "extractions")) == content.count("\n") - 1 - (option in ("blank-rows", "total-row"))


def test_a_study_whose_name_only_begins_like_total_is_a_study(bring: Bring) -> None:
    file = text("t.csv", "study,yi,vi\nTotality 2003,1,2\n")
    assert len(rows(bring("metafor", file, outcome="x", measure="MD"), "extractions")) == 1


def test_text_that_a_spreadsheet_would_run_is_neutralised_and_numbers_are_not() -> None:
    for hostile in ("=1+1", "+cmd", "-cmd", "@SUM(A1)", "\tx", "\rx"):
        assert neutralised(hostile) == f"'{hostile}"
    for harmless in ("-12.5", "+3", "Shea 2009", "", "'=1"):
        assert neutralised(harmless) == harmless
    assert to_csv(["a"], [["=x"], [-1.5], [None]]) == b'a\n\'=x\n-1.5\n""\n'


def packed(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Source:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, raw in members:
            archive.writestr(name, raw)
    return Source("package.zip", buffer.getvalue())


def test_a_zip_package_is_read_member_by_member(bring: Bring) -> None:
    names = ("data-rows", "overall-estimates-and-settings", "risk-of-bias")
    members = [(f"CD0/CD0-{name}.csv", (FILES / f"v2-{name}.csv").read_bytes()) for name in names]
    found = bring("cochrane", packed(*members, ("CD0/program.exe", b"MZ")))
    assert len(rows(found, "extractions")) == 10
    assert rows(found, "extractions")[0]["source_locator"].startswith("package.zip/CD0/CD0-data-rows.csv row 2")


@pytest.mark.parametrize(
    ("member", "raw", "words"),
    [
        ("../../evil.csv", b"a", "points outside"),
        ("/etc/evil.csv", b"a", "points outside"),
        ("..\\evil.csv", b"a", "points outside"),
        ("C:evil.csv", b"a", "points outside"),
        ("bomb.csv", b"0" * 5_000_000, "times its size"),
    ],
)
def test_an_archive_that_reaches_out_or_explodes_is_refused(member: str, raw: bytes, words: str) -> None:
    with pytest.raises(ProjectError, match=words):
        unpacked([packed((member, raw))], (".csv",))


def test_a_header_that_lies_about_its_size_yields_no_more_than_it_says() -> None:
    raw = bytearray(packed(("a.csv", b"0123456789" * 1000)).raw)
    central = raw.rindex(b"PK\x01\x02")
    raw[central + 24 : central + 28] = struct.pack("<I", 10)
    with pytest.raises(ProjectError, match="not a readable zip"):
        unpacked([Source("package.zip", bytes(raw))], (".csv",))


def test_damaged_archives_are_refused_in_words() -> None:
    whole = packed(("a.csv", b"study\nA\n")).raw
    for raw in (b"PK\x03\x04", whole[:40], whole[:-10]):
        with pytest.raises(ProjectError, match="not a readable zip"):
            unpacked([Source("package.zip", raw)], (".csv",))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"columns": {"Author": "labell"}}, "did you mean label"),
        ({"column": {}}, "has no columns"),
        ({"columns": {"Author": "label"}, "constant": {}}, "unknown key 'constant'"),
        ({"columns": {"Author": "label"}}, "no column names the outcome"),
        ({"columns": {"n": "n_treat"}, "constants": {"outcome": "x"}}, "no column names the study"),
        ({"columns": {"A": "label", "B": "label"}, "constants": {"outcome": "x"}}, "label is given twice"),
        (
            {"columns": {"A": "label"}, "constants": {"outcome": "x"}, "multiply": {"A": {"by": 0.01}}},
            "multiply of A cannot be used",
        ),
        ([1, 2], "has no columns"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused_in_words(change: object, words: str) -> None:
    problems = refusals("mapping", [text("t.csv", "Author\nA\n")], mapping=change)
    assert any(words in problem for problem in problems), problems


def test_every_column_of_a_mapped_file_is_named() -> None:
    mapping = {"columns": {"Author": "label"}, "constants": {"outcome": "x"}}
    (problem,) = refusals("mapping", [text("t.csv", "Author,Autor\nA,B\n")], mapping=mapping)
    assert 'the column "Autor" is in neither columns nor ignore' in problem


def test_the_options_for_a_comma_are_an_either_or_and_registry_files_have_no_decimal_comma() -> None:
    fixes = {}
    for name in ("a.csv", "a.json", "a.rm5"):
        found = clean_number(Read(name, 1, "mean", "1,041"), Options())
        assert isinstance(found, Problem)
        fixes[name] = found.fix
    assert "either --accept thousands" in fixes["a.csv"]
    assert " or --decimal-comma" in fixes["a.csv"]
    for name in ("a.json", "a.rm5"):
        assert "--accept thousands" in fixes[name]
        assert "--decimal-comma (" not in fixes[name]
        cleaned = clean_number(Read(name, 1, "mean", "1,041"), Options(accept=frozenset({"thousands"})))
        assert not isinstance(cleaned, Problem)
        assert cleaned.text == "1041"
