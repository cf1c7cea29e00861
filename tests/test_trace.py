"""From a printed number back to its field: ids, values, and the studies behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from k2meta.numbers import CITED, Traced, TracedCount, displayed, fixed, of, p_value, percent, plain
from k2meta.report import words
from k2meta.trace import APART, BESIDE, MADE, chain, numbered, numbers, traced
from tests import samples


def fields_of(value: Any) -> Iterator[tuple[str, float]]:
    """Every number of a traced analysis with its id, found by a plain walk."""
    if isinstance(value, Traced | TracedCount):
        yield value.field, float(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from fields_of(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from fields_of(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from fields_of(getattr(value, field.name))


def test_a_traced_analysis_is_the_same_analysis() -> None:
    analysis = samples.analysis(5, "MD")
    told = traced(analysis)
    # Written out, because a quantity that is not estimable equals nothing, itself included.
    assert repr(told).removeprefix("Traced") == repr(analysis)
    assert told.k == analysis.k


def test_no_two_numbers_of_an_analysis_share_an_id() -> None:
    ids = [field for field, _ in fields_of(traced(samples.analysis(5, "MD")))]
    assert len(ids) > 100
    assert len(set(ids)) == len(ids)


def test_a_sentence_names_the_field_of_its_numbers() -> None:
    analysis = samples.analysis(5, "MD")
    told = traced(analysis)
    known = dict(fields_of(told))
    line = words.estimate_line(told)
    cited = CITED.findall(line)
    lead = f"sample.fits.{analysis.lead}.mu.value"
    assert cited[0][0] == lead
    assert {field: float(raw) for field, raw, _ in cited} == {field: known[field] for field, _, _ in cited}
    assert plain(line) == words.estimate_line(analysis)


def test_weights_are_named_by_their_study() -> None:
    told = traced(samples.analysis(3, "MD"))
    assert told.fits[told.lead].weights[1].field.endswith(".weights.Trial1")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (lambda x: fixed(x, 2), "0.04"),
        (percent, "4 %"),
        (lambda x: fixed(displayed("LOGRATIO", x), 2), "1.04"),
        (lambda x: fixed(of(x, -x), 2), "−0.04"),
        (p_value, "p = 0.037"),
    ],
)
def test_every_way_of_writing_a_number_keeps_its_field_and_its_value(written: Any, text: str) -> None:
    marked = written(Traced(0.037, "a.b"))
    assert plain(marked) == text
    assert CITED.findall(marked)[0][:2] == ("a.b", "0.037")


def test_an_ordinary_number_is_written_without_marks() -> None:
    assert fixed(0.25, 1) == "0.2"
    assert plain("p = 0.03, 95 %") == "p = 0.03, 95 %"


def test_a_page_gives_its_numbers_in_reading_order_with_all_written_forms() -> None:
    page = '<data value="0.5" data-from="a.x">50 %</data> <data value="2.0" data-from="a.y">2</data>'
    page += '<data value="0.5" data-from="a.x">0.5</data>'
    assert [(n.id, n.value, n.written) for n in numbers(page)] == [
        ("a.x", 0.5, ("50 %", "0.5")),
        ("a.y", 2.0, ("2",)),
    ]


def test_the_chain_of_a_pooled_number_ends_at_the_printed_cells() -> None:
    analysis = samples.analysis(3, "MD")
    made = chain(f"sample.fits.{analysis.lead}.mu.low", [analysis])
    assert [part.study_id for part in made.parts] == ["Trial0", "Trial1", "Trial2"]
    assert all(part.steps and part.locator and part.extraction_id for part in made.parts)
    assert analysis.fits[analysis.lead].method in made.made_by


def test_the_chain_of_one_effect_is_that_study_alone() -> None:
    made = chain("sample.effects.Trial1.yi", [samples.analysis(3, "MD")])
    assert [part.study_id for part in made.parts] == ["Trial1"]


def test_a_number_of_no_analysis_is_an_error() -> None:
    with pytest.raises(KeyError):
        chain("elsewhere.k", [samples.analysis(3, "MD")])


@pytest.mark.parametrize(
    ("number_id", "said"),
    [
        ("trials.Shea2009.dose_ug_per_day", "data/trials.csv"),
        ("queries.open", "data/queries.csv"),
        ("config.lead.small_k", "config/config.yaml"),
        ("page.trials", "lists"),
    ],
)
def test_a_number_of_no_question_says_where_it_stands(number_id: str, said: str) -> None:
    made = chain(number_id, ())
    assert said in made.made_by
    assert made.parts == ()


def test_settings_and_rows_remember_where_they_stand() -> None:
    analysis = samples.analysis(2)
    told = numbered((analysis.spec,), "config.analyses")
    assert told[0] == analysis.spec
    ids = {field for field, _ in fields_of(told)}
    assert ids
    assert all(field.startswith(f"config.analyses.{analysis.spec.id}.") for field in ids)


def test_every_kind_of_number_says_in_words_what_made_it() -> None:
    told = traced(samples.analysis(5))
    name = told.spec.id
    for kind, said in (MADE | APART).items():
        made = chain(f"{name}.{kind}.x", [told])
        assert made.made_by == said
        assert len(made.parts) == (0 if kind in APART else told.k)
    for kind, said in BESIDE.items():
        assert chain(f"{kind}.x", [told]) == chain(f"{kind}.y.z", ())
        assert chain(f"{kind}.x", ()).made_by == said
