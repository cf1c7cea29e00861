"""Results show themselves: in a terminal, in a notebook, and never more than they know."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from IPython.lib.pretty import pretty

import k2meta as km
from k2meta.display import MOST_ROWS
from k2meta.numbers import CITED, decimals_for, fixed, interval
from k2meta.shown import ShowsItself
from k2meta.trace import traced
from tests.samples import analysis

YI = [-51.0, -16.3, -141.0, -10.0]
VI = [893.0, 1309.0, 8341.0, 85.0]
TAGS = {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td"}
RESULTS: dict[str, Any] = {
    "fit": lambda: km.random_effects(YI, VI),
    "common": lambda: km.common_effect(YI, VI),
    "bayes": lambda: km.bayes_random_effects(YI, VI, tau_prior=km.priors.HalfNormal(45.0)),
    "estimate": lambda: km.random_effects(YI, VI).mu,
    "tau2": lambda: km.random_effects(YI, VI).tau2,
    "effects": lambda: km.effect_sizes("RR", ai=[4, 6], bi=[119, 300], ci=[11, 29], di=[128, 274]),
    "analysis": lambda: analysis(),
    "one trial": lambda: analysis(1),
    "no trial": lambda: analysis(0),
    "influence": lambda: km.influence(YI, VI),
    "regression": lambda: km.meta_regression(YI, VI, X=[[1.0], [2.0], [3.0], [5.0]]),
    "subgroups": lambda: km.subgroups(YI, VI, ["a", "a", "b", "b"]),
    "batch": lambda: km.random_effects_batch(np.array([YI, YI]), np.array([VI, VI])),
    "gosh": lambda: km.gosh(YI, VI),
    "test not run": lambda: km.egger(YI, VI),
}


class Tags(HTMLParser):
    """The tags and attributes of a piece of HTML, and whether every tag is closed in turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.said = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_plain_html_without_script_or_id(name: str) -> None:
    shown = Tags(RESULTS[name]()._repr_html_())
    assert set(shown.tags) <= TAGS
    assert shown.attributes <= {"scope", "style"}
    assert shown.said


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_says_the_same_in_a_terminal_as_in_a_notebook(name: str) -> None:
    result = RESULTS[name]()
    assert pretty(result) == str(result)
    in_notebook = "".join(Tags(result._repr_html_()).said.split())
    for line in str(result).splitlines():
        for cell in line.replace("Warning: ", "").split("  "):
            assert "".join(cell.split()) in in_notebook


def test_the_repr_of_a_result_is_still_that_of_a_dataclass() -> None:
    fit = km.random_effects(YI, VI)
    assert repr(fit).startswith("Fit(model='random_effects'")
    assert repr(fit.mu).startswith(f"Estimate(value={fit.mu.value!r}")


def test_a_fit_is_rounded_by_its_standard_error() -> None:
    fit = km.random_effects(YI, VI)
    decimals = decimals_for(fit.mu.se)
    assert f"{fixed(fit.mu.value, decimals)} (95 % CI {interval(fit.mu.low, fit.mu.high, decimals)})" in str(fit)
    assert f"{interval(fit.prediction.low, fit.prediction.high, decimals)} (95 % prediction" in str(fit)
    assert "study 4 carries 70 % of the weight" in str(fit)
    assert str(fit).count("Warning: ") == len(fit.warnings) > 0


def test_a_posterior_is_credible_and_names_its_priors() -> None:
    post = km.bayes_random_effects(YI, VI, tau_prior=km.priors.HalfNormal(45.0), level=0.9)
    assert "90 % CrI" in str(post)
    assert " CI " not in str(post)
    assert "μ flat; τ half-normal with scale 45" in str(post)


def test_a_sampled_fit_shows_no_digit_that_its_error_does_not_support() -> None:
    exact = km.bayes_random_effects(YI, VI, tau_prior=km.priors.HalfNormal(4.5))
    near = replace(exact.mu, value=-15.123456, se=0.5, low=-16.12, high=-14.12)
    fit = replace(
        exact, mu=near, posterior=None, diagnostics=replace(exact.diagnostics, rhat=1.0, mcse_mu=0.2, mcse_tau=0.2)
    )
    assert "−15.1 (95 % CrI −16.1 to −14.1)" in str(fit)
    assert "−15.12" in str(replace(fit, diagnostics=replace(fit.diagnostics, mcse_mu=0.01)))


def test_a_fit_that_did_not_converge_says_so_before_anything_else() -> None:
    fit = km.random_effects(YI, VI)
    broken = replace(fit, diagnostics=replace(fit.diagnostics, converged=False))
    (first, *_) = [line for line in str(broken).splitlines() if "Warning" in line]
    assert "do not use these numbers" in first
    assert "do not use these numbers" not in str(fit)


def test_a_heterogeneity_of_zero_is_shown_and_that_of_a_common_effect_is_not() -> None:
    assert "on its lower bound" in str(km.random_effects([0.1, 0.1, 0.1], [1.0, 1.0, 1.0]))
    assert "τ" not in str(km.common_effect(YI, VI))


def test_a_question_shows_its_unit_and_that_its_outcome_is_a_surrogate() -> None:
    shown = str(analysis())
    assert "Agatston units" in shown
    assert shown.count(analysis().spec.caveat) == 1
    assert "Not shown." in shown


def test_what_people_typed_is_escaped() -> None:
    found = analysis()
    nasty = replace(found, spec=replace(found.spec, title="<script>alert(1)</script>", caveat='a "b" <img src=x>'))
    shown = nasty._repr_html_()
    assert "<script" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;" in shown


def test_a_traced_question_reads_like_any_other() -> None:
    assert not CITED.search(str(traced(analysis())))
    assert str(traced(analysis())) == str(analysis())


@dataclass(frozen=True, slots=True)
class Long(ShowsItself):
    """A result with more rows than anyone reads."""

    yi: tuple[float, ...]


def test_rows_beyond_the_first_are_counted() -> None:
    shown = str(Long(tuple(float(i) for i in range(MOST_ROWS + 7))))
    assert "and 7 more" in shown
    assert len(shown.splitlines()) == 1 + 1 + MOST_ROWS + 1


def test_every_result_of_a_public_function_shows_itself() -> None:
    found: dict[str, type] = {}
    for name in km.__all__:
        one = getattr(km, name)
        if inspect.isfunction(one):
            words = str(one.__annotations__["return"]).removeprefix("tuple[").partition(",")[0]
            kind = getattr(sys.modules[one.__module__], words, None)
            if dataclasses.is_dataclass(kind):
                found[words] = kind
    assert len(found) > 25
    assert [name for name, kind in found.items() if not issubclass(kind, ShowsItself)] == []


def test_nothing_is_loaded_before_a_result_is_shown() -> None:
    script = (
        "import sys, k2meta as km\nfit = km.random_effects([0.1, 0.3, 0.2], [0.1, 0.2, 0.1])\n"
        "assert not {'k2meta.display', 'k2meta.tables'} & set(sys.modules)\n"
        "str(fit)\nassert not {'pandas', 'matplotlib', 'pymc', 'arviz'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_coefficients_are_named_as_they_were_given() -> None:
    X = np.array([[1.0, 0.3], [2.0, 0.1], [3.0, 0.9], [5.0, 0.4]])
    prior = km.priors.HalfNormal(45.0)
    for shown in (
        str(km.meta_regression(YI, VI, X=X, names=["latitude", "year"])),
        str(km.bayes_meta_regression(YI, VI, X=X, names=["latitude", "year"], tau_prior=prior)),
    ):
        for name in ("intercept", "latitude", "year"):
            assert any(line.split()[:1] == [name] for line in shown.splitlines()), (name, shown)
