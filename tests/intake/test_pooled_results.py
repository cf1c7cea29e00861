"""Stored pooled results of Review Manager and Cochrane files against numbers of R and of slow loops."""

from __future__ import annotations

import csv
import io
import math

import pytest

from k2meta.intake import Intake, Source
from k2meta.intake.pooled_oracle import Method, pooled
from tests.intake.conftest import FILES, text
from tests.intake.test_formats import Bring

# 13 trials of BCG vaccine, by metafor 3.8-1 in R 4.2.2 (rma.mh, rma.peto, rma): mu on the scale of the model, its
# limits, tau2, Q, I2 and z. Review Manager calls the random-effects one "IV, random"; DL is its estimator.
BCG: dict[str, tuple[float, ...]] = {
    "MH RR": (-0.453709604683754, -0.53080942699813, -0.376609782369378, 0, 152.567553586657, 92.1346316973064),
    "MH OR": (-0.473410988388585, -0.553784757146878, -0.393037219630292, 0, 163.942579569193, 92.6803640448177),
    "MH RD": (
        -0.003288181832613,
        -0.00385001873565201,
        -0.00272634492957399,
        0,
        386.77594183656,
        96.8974285362685,
    ),
    "PETO OR": (-0.474446310940636, -0.554136644844653, -0.39475597703662, 0, 167.730167511489, 92.8456519312914),
    "IV RR": (-0.430285163654091, -0.509661258426214, -0.350909068881968, 0, 152.233008082373, 92.1173468545621),
    "DL RR": (
        *(-0.714117222073227, -1.06444528008405, -0.363789164062403),
        *(0.308760262862376, 152.233008082373, 92.1173468545621),
    ),
    "REML RR": (-0.714532348365101, -1.06689767574005, -0.36216702099015, 0.313243325980895),
    "REML HKSJ RR": (-0.714532348365101, -1.10844372300005, -0.320620973730153, 0.313243325980895),
}
# Numbers are compared to the digits shown here, as the importer compares those of a file.
DIGITS = 7

METHODS = {
    "MH RR": ("MH", "NO", "RR"),
    "MH OR": ("MH", "NO", "OR"),
    "MH RD": ("MH", "NO", "RD"),
    "PETO OR": ("PETO", "NO", "PETO_OR"),
    "IV RR": ("IV", "NO", "RR"),
    "DL RR": ("IV", "YES", "RR"),
}


def counts() -> list[dict[str, str]]:
    with (FILES / "bcg_counts.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def shown(value: float) -> str:
    return f"{value:.{DIGITS}f}"


def stored(name: str) -> dict[str, str]:
    """Return the attributes of a Review Manager file for one pooled result."""
    ratio = METHODS[name][2] != "RD"
    numbers = [math.exp(x) if ratio else x for x in BCG[name][:3]]
    parts = ("EFFECT_SIZE", "CI_START", "CI_END", "TAU2", "CHI2", "I2")
    return dict(zip(parts, map(shown, (*numbers, *BCG[name][3:])), strict=True))


def review(name: str, **changes: str) -> Source:
    """Return a Review Manager file of the BCG trials with the pooled result of one method."""
    method, random, measure = METHODS[name]
    attributes = {"METHOD": method, "RANDOM": random, "EFFECT_MEASURE": measure, "CI_TOTAL": "95"}
    attributes |= {**stored(name), **changes}
    rows = "".join(
        f'<DICH_DATA STUDY_ID="STD-{i}" EVENTS_1="{row["ai"]}" TOTAL_1="{int(row["ai"]) + int(row["bi"])}" '
        f'EVENTS_2="{row["ci"]}" TOTAL_2="{int(row["ci"]) + int(row["di"])}"/>'
        for i, row in enumerate(counts())
    )
    words = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    return text(
        "bcg.rm5",
        '<COCHRANE_REVIEW><ANALYSES_AND_DATA><COMPARISON NO="1"><NAME>BCG</NAME>'
        f"<DICH_OUTCOME {words}><NAME>Tuberculosis</NAME>{rows}</DICH_OUTCOME>"
        "</COMPARISON></ANALYSES_AND_DATA></COCHRANE_REVIEW>",
    )


def said(found: Intake) -> list[str]:
    return [line.why for line in found.decisions if line.why.startswith("pooled result")]


@pytest.mark.parametrize("name", METHODS)
def test_the_pooled_result_of_each_method_is_derived_again_to_the_stored_digits(name: str, bring: Bring) -> None:
    found = bring("revman5", review(name))
    assert not found.queries
    (line,) = said(found)
    assert "derived again and agrees (estimate, low, high, tau2, q, i2" in line


@pytest.mark.parametrize("column", ["EFFECT_SIZE", "CI_START", "CI_END", "TAU2", "CHI2", "I2", "Z"])
def test_each_stored_part_that_the_studies_do_not_give_is_a_query_of_its_own(column: str, bring: Bring) -> None:
    found = bring("revman5", review("DL RR", **{column: "0.0123"}))
    (query,) = found.queries
    assert (query.column, query.read, query.table, query.key) == (column, "0.0123", "outcomes", "tuberculosis")
    assert "its own numbers give" in query.why
    assert "inverse variance, random effects" in query.why


def test_a_result_of_another_method_than_the_stated_one_is_found(bring: Bring) -> None:
    found = bring("revman5", review("DL RR", RANDOM="NO"))
    assert {query.column for query in found.queries} == {"EFFECT_SIZE", "CI_START", "CI_END", "TAU2"}


def test_mantel_haenszel_random_effects_takes_q_about_either_mean(bring: Bring) -> None:
    method = Method("RR", "MH", True)
    rows = [
        {"e1": a, "n1": a + b, "e2": c, "n2": c + d}
        for a, b, c, d in ((float(r["ai"]), float(r["bi"]), float(r["ci"]), float(r["di"])) for r in counts())
    ]
    y = [math.log(r["e1"] / r["n1"] / (r["e2"] / r["n2"])) for r in rows]
    v = [1 / r["e1"] - 1 / r["n1"] + 1 / r["e2"] - 1 / r["n2"] for r in rows]
    w = [1 / x for x in v]
    expected = []
    for centre in (BCG["MH RR"][0], BCG["IV RR"][0]):
        q = sum(a * (b - centre) ** 2 for a, b in zip(w, y, strict=True))
        tau2 = (q - 12) / (sum(w) - sum(a * a for a in w) / sum(w))
        again = [1 / (x + tau2) for x in v]
        expected.append(math.exp(sum(a * b for a, b in zip(again, y, strict=True)) / sum(again)))
    values = pooled(method, rows)["estimate"]
    for one in expected:
        # The loops divide in another order: a few units of the last digit.
        assert any(math.isclose(one, value, rel_tol=1e-12) for value in values)
    assert all(any(math.isclose(one, value, rel_tol=1e-12) for one in expected) for value in values)
    assert not bring("revman5", review("DL RR", METHOD="MH")).queries


def test_half_events_in_empty_cells_are_a_choice_that_either_program_may_make() -> None:
    rows = [{"e1": 0.0, "n1": 50.0, "e2": 5.0, "n2": 50.0}, {"e1": 4.0, "n1": 60.0, "e2": 9.0, "n2": 62.0}]
    values = pooled(Method("OR", "MH", False), rows)["estimate"]

    def odds(tables: list[tuple[float, float, float, float]]) -> float:
        return sum(a * d / (a + b + c + d) for a, b, c, d in tables) / sum(
            b * c / (a + b + c + d) for a, b, c, d in tables
        )

    plain = [(0.0, 50.0, 5.0, 45.0), (4.0, 56.0, 9.0, 53.0)]
    for tables in (plain, [(0.5, 50.5, 5.5, 45.5), plain[1]]):
        assert any(math.isclose(value, odds(tables), rel_tol=1e-12) for value in values)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"METHOD": "EXACT"}, "does not state a method"),
        ({"SWAP_EVENTS": "YES"}, "swaps events"),
        ({"METHOD": "PETO"}, "no random effects"),
    ],
)
def test_what_is_not_derived_again_is_said_in_the_log(changes: dict[str, str], why: str, bring: Bring) -> None:
    found = bring("revman5", review("DL RR", **changes))
    (line,) = said(found)
    assert "not checked" in line
    assert why in line


def test_totals_that_are_switched_off_are_not_compared(bring: Bring) -> None:
    zeros = dict.fromkeys(stored("DL RR"), "0.0")
    assert said(bring("revman5", review("DL RR", TOTALS="NO", **zeros))) == []


def package(estimator: str, interval: str, numbers: tuple[float, ...]) -> list[Source]:
    """Return a Cochrane data package of the BCG trials with its pooled result."""
    columns = ("Analysis group", "Analysis number", "Study", "Experimental cases", "Experimental N")
    columns += ("Control cases", "Control N")
    rows = [
        (
            "1",
            "1",
            f"Trial {i}",
            r["ai"],
            int(r["ai"]) + int(r["bi"]),
            r["ci"],
            int(r["ci"]) + int(r["di"]),
        )
        for i, r in enumerate(counts())
    ]
    settings = {
        **{"Analysis group": "1", "Analysis number": "1", "Analysis name": "Tuberculosis"},
        **{"Log-scale data": "TRUE", "Effect measure": "Risk Ratio", "Statistical method": "Inverse variance"},
        **{"Analysis model": "Random effects", "Heterogeneity estimator": estimator, "CI method": interval},
        **{"CI/PI level": "95%", "Mean": shown(math.exp(numbers[0])), "CI start": shown(math.exp(numbers[1]))},
        **{"CI end": shown(math.exp(numbers[2])), "Heterogeneity Tau²": shown(numbers[3])},
    }

    def table(name: str, head: tuple[str, ...], body: list[tuple[object, ...]]) -> Source:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([head, *body])
        return text(name, out.getvalue())

    return [
        table("p-data-rows.csv", columns, list(rows)),
        table("p-overall-estimates-and-settings.csv", tuple(settings), [tuple(settings.values())]),
    ]


@pytest.mark.parametrize(
    ("name", "estimator", "interval"),
    [
        ("DL RR", "DerSimonian and Laird", "Wald-type"),
        ("REML RR", "REML", "Wald-type"),
        ("REML HKSJ RR", "Restricted Maximum-Likelihood", "HKSJ"),
    ],
)
def test_a_cochrane_package_states_its_estimator_and_interval(
    name: str, estimator: str, interval: str, bring: Bring
) -> None:
    found = bring("cochrane", *package(estimator, interval, BCG[name]))
    assert not found.queries
    assert "agrees (estimate, low, high, tau2; inverse variance, random effects)" in said(found)[0]
    turned = (-BCG[name][0], *BCG[name][1:])
    (query,) = bring("cochrane", *package(estimator, interval, turned)).queries
    assert (query.column, query.table) == ("Mean", "outcomes")


def test_an_estimator_that_we_do_not_derive_again_is_said_in_the_log(bring: Bring) -> None:
    found = bring("cochrane", *package("Mandel-Paule", "Wald-type", BCG["DL RR"]))
    assert not found.queries
    assert "not checked" in said(found)[0]
