"""Tables for manuscripts: Word and LaTeX hold the cells that people read, whatever stands in them."""

from __future__ import annotations

import re
from io import BytesIO
from zipfile import ZipFile

import pytest
from docx import Document
from hypothesis import given
from hypothesis import strategies as st

from k2meta import io
from k2meta.numbers import plain
from k2meta.tables import build_tables
from k2meta.tables.characteristics import characteristics, randomised, trial_link
from k2meta.tables.parts import show_text
from k2meta.tables.types import Column, Shown, TableData
from k2meta.tables.writers import WRITERS
from k2meta.tables.writers.latex import ESCAPES, escaped
from k2meta.tables.writers.word import CHOSEN
from k2meta.types import Cell
from tests import samples

TRIALS: tuple[dict[str, Cell], ...] = (
    {
        "study_id": "Trial0",
        "label": "Author 1999",
        "doi": "10.1/x",
        "n_randomised_treat": 40.0,
        "n_randomised_ctrl": 48.0,
    },
    {
        "study_id": "Other",
        "label": None,
        "registration": "NCT00000001",
        "vitamer": "MK-7",
        "dose_ug_per_day": 180.0,
    },
)
HOSTILE = r"\input{/etc/passwd} 50 % of $x_1^2$ & #1 ~ {a} -- ``q'' [b] \\* <c> |d| \write18{ls}"
ANALYSES = [
    samples.analysis(5),
    samples.analysis(3, "LOGRATIO", identifier="ratio"),
    samples.analysis(0, identifier="none"),
]


def every_table() -> dict[str, TableData]:
    return {**build_tables(ANALYSES, ()), "characteristics": characteristics(TRIALS, ANALYSES)}


def hostile_table(*cells: str) -> TableData:
    columns = tuple(Column(f"c{i}", cell, show_text(f"c{i}")) for i, cell in enumerate(cells))
    return TableData(columns, ({f"c{i}": cell for i, cell in enumerate(cells)},), cells[0], (cells[0],))


def written() -> dict[str, bytes]:
    return {
        name: raw
        for write in WRITERS.values()
        for name, raw in write(every_table(), "A review", ["A", "B"]).items()
    }


def test_two_runs_give_the_same_bytes() -> None:
    assert written() == written()


def test_the_word_file_holds_the_cells_that_people_read() -> None:
    tables = every_table()
    document = Document(BytesIO(written()["../tables.docx"]))
    chosen = [tables[name] for name in CHOSEN if name in tables]
    assert len(document.tables) == len(chosen) >= 2
    for made, table in zip(document.tables, chosen, strict=True):
        cells = [[cell.text for cell in row.cells] for row in made.rows]
        assert cells[0] == [column.label for column in table.visible]
        assert cells[1:] == [[plain(cell.text) + ",".join(cell.mark) for cell in row] for row in table.shown]
    assert [p.text for p in document.paragraphs if p.style and p.style.name == "Heading 2"] == [
        t.caption for t in chosen
    ]


def test_the_word_file_carries_title_and_authors_and_no_clock() -> None:
    raw = written()["../tables.docx"]
    with ZipFile(BytesIO(raw)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = archive.read("docProps/core.xml").decode()
    assert "A review" in core
    assert "A; B" in core
    assert not re.search(r"created|modified|\d{4}-\d\d-\d\d", core)


def test_the_borders_of_a_word_table_stand_where_the_format_wants_them() -> None:
    for table in Document(BytesIO(written()["../tables.docx"])).tables:
        order = [child.tag.rpartition("}")[2] for child in table._tbl.tblPr]
        assert order.index("tblBorders") < order.index("tblLook")


def test_letters_that_xml_cannot_hold_do_not_stop_word() -> None:
    table = hostile_table("a\x00b\x1fc\ud800d\uffff", "<w:p/>&amp;")
    (raw,) = WRITERS["docx"]({"pooled_results": table}, "t\x07", ["a\x0c"]).values()
    (made,) = Document(BytesIO(raw)).tables
    assert [cell.text for cell in made.rows[1].cells] == ["a�b�c�d�", "<w:p/>&amp;"]


def test_every_table_with_rows_has_its_latex_file_with_as_many_rows_and_columns() -> None:
    files = written()
    for name, table in every_table().items():
        assert (f"{name}.tex" in files) == bool(table.rows)
        if not table.rows:
            continue
        lines = files[f"{name}.tex"].decode().splitlines()
        body = lines[lines.index(r"\bottomrule \endfoot") + 1 : lines.index(r"\end{longtable}")]
        assert len(body) == len(table.rows)
        assert all(len(re.findall(r"(?<!\\)&", line)) == len(table.visible) - 1 for line in body)


def read_back(latex: str) -> str:
    """Read escaped text as LaTeX would print it; anything that it would run is an error."""
    back = {written: letter for letter, written in ESCAPES.items()} | {r"\ensuremath{\mu}": "µ"}
    names = sorted(back, key=len, reverse=True)
    out, at = "", 0
    while at < len(latex):
        name = next((one for one in names if latex.startswith(one, at)), None)
        if name is None:
            assert latex[at] not in '\\{}$&#%_~^<>|`"[]*\n\r\0', f"{latex[at]!r} would be run"
        out += latex[at] if name is None else back[name]
        at += 1 if name is None else len(name)
    return out


@given(st.one_of(st.text(), st.text(alphabet=st.sampled_from([*ESCAPES, "a", "\n"]))))
def test_any_text_is_printed_letter_by_letter_and_nothing_is_run(text: str) -> None:
    assert not re.search(r"--|,,|''|\?\?|!!", escaped(text))
    plain = re.sub(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]+", " ", text).replace("μ", "µ")
    assert read_back(escaped(text)) == plain


def test_a_hostile_cell_head_note_and_caption_stay_text_in_latex() -> None:
    files = WRITERS["tex"]({"x": hostile_table(HOSTILE, "*a", "[b]")}, "title\n\\input{x}", [])
    lines = files["x.tex"].decode().splitlines()
    assert lines[0] == "% title \\input{x}"
    commands = set(re.findall(r"\\([a-zA-Z]+)", "\n".join(lines[2:])))
    assert not commands & {"input", "write"}
    row = lines[lines.index(r"\bottomrule \endfoot") + 1]
    assert read_back(row.split(" & ")[0]) == HOSTILE
    assert row.split(" & ")[1:] == ["{*}a", r"{[}b{]} \\"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_or_header_of_a_csv_runs_in_a_spreadsheet(start: str, tmp_path: object) -> None:
    from pathlib import Path

    table = hostile_table(f"{start}cmd()", "-12.5")
    path = Path(str(tmp_path)) / "x.csv"
    io.write_table(path, (table.columns[0].label, "b"), table.values)
    head, row = path.read_bytes().decode().split("\n", 1)
    assert head.lstrip('"').startswith(f"'{start}")
    assert row.lstrip('"').startswith(f"'{start}")
    assert row.rstrip().endswith(",-12.5")


def test_characteristics_name_who_what_how_long_how_many_and_the_pools() -> None:
    first, second = characteristics(TRIALS, ANALYSES).shown
    labels = [column.label for column in characteristics(TRIALS, ANALYSES).visible]
    told = dict(zip(labels, second, strict=True))
    assert first[0] == Shown("Author 1999", href="https://doi.org/10.1/x")
    assert told["Trial"].text == "Other"
    assert told["Intervention"].text == "MK-7, 180 µg a day"
    assert told["In the pool of"].text == "none"
    assert told["Randomised"].text == "–"
    assert randomised(TRIALS[0]) == 88.0
    assert trial_link(TRIALS[1]) == "https://clinicaltrials.gov/study/NCT00000001"
