"""From a printed number back to its field, and from there to the printed cells it was made from.

The id of a number is the path of its field in the results: ``cac_agatston.fits.reml_hksj.mu.low``. Rows of a list
are named by their study. `traced` hands out an analysis whose numbers remember that path, so that a sentence made
from them can say where each came from; `chain` walks back from the path.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from k2meta.analysis import Analysis
from k2meta.models.fit import Fit, Posterior
from k2meta.numbers import Traced, TracedCount, cited, field_name
from k2meta.types import Effect

NAMED_BY = ("query_id", "study_id", "test", "quantity", "label", "name", "id")
"""What names a row of a list in a path, the first that it has."""

BESIDE = {
    "trials": "a cell of data/trials.csv, in the row and the column that the id names",
    "queries": "the data queries of this build, with their decisions in data/queries.csv",
    "config": "a setting in config/config.yaml",
    "page": "a count of what this part of the page lists",
    "claims": (
        "the claims: a cell of data/claims.csv, in the row that the id names; a count of rows of "
        "reports/tables/claims.csv; or the limit of a rule"
    ),
}
"""What made a number that belongs to no question, by the first word of its id."""

MADE: dict[str, str] = {
    "k": "the studies of the pool, counted",
    "people": "the people of the pooled studies, added up",
    "weight_from": "the weights of the leading model, added up over the studies concerned",
    "probability": "a probability under the posterior of the Bayesian model",
    "engines": "the mean by sampling against the exact one",
    "trials_above": "the studies whose whole interval lies above zero, counted",
    "trials_below": "the studies whose whole interval lies below zero, counted",
}
"""What made a number of a question that stands for itself, by the second word of its id."""

APART: dict[str, str] = {
    "spec": "the settings in config/config.yaml",
    "judgements": "what people judged or counted, in data/",
    "missing": "the studies that measured the outcome and give the pool no number, counted",
    "dropped": "a result that is not in the pool, from reports/tables/left_out.csv",
    "listed": "the rows of a table on the page, counted",
    "level": "the coverage of every interval, a setting in config/config.yaml",
}
"""The same for what is made from no pooled study."""

_ON_PAGE = re.compile(r'<data value="([^"]*)" data-from="([^"]*)">([^<]*)</data>')


@dataclass(frozen=True, slots=True)
class Number:
    """A number that people read: its id, its full value and the forms in which it is written."""

    id: str
    value: float
    written: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One study behind a number: its weight, the steps from the printed cells, and where these are printed."""

    study_id: str
    label: str
    weight: float | None
    effect: float
    variance: float
    steps: tuple[str, ...]
    assumptions: tuple[str, ...]
    extraction_id: str
    locator: str
    url: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What a number was made from.

    Attributes
    ----------
    made_by : str
        The model and its options, the sensitivity check, or what was counted.
    parts : tuple of Part
        The studies that enter it.
    """

    made_by: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class TracedAnalysis(Analysis):
    """An analysis whose numbers remember their fields; made by `traced`."""

    @property
    def k(self) -> int:
        """Number of trials in the pool."""
        return TracedCount(len(self.effects), f"{self.spec.id}.k")


def traced(analysis: Analysis) -> Analysis:
    """Return the analysis with every number remembering the path of its field."""
    name, studies = analysis.spec.id, [effect.study_id for effect in analysis.effects]
    found = {f.name: _traced(getattr(analysis, f.name), f"{name}.{f.name}") for f in fields(analysis)}
    found["fits"] = {
        model: replace(
            fit,
            weights=_traced(analysis.fits[model].weights, f"{name}.fits.{model}.weights", studies),
            studies=_traced(analysis.fits[model].studies, f"{name}.fits.{model}.studies", studies),
            **{
                part: _traced(getattr(analysis.fits[model], part), f"{name}.fits.{model}.{part}", studies)
                for part in ("yi", "vi")
                if getattr(analysis.fits[model], part)
            },
        )
        for model, fit in found["fits"].items()
    }
    return TracedAnalysis(**found)


def numbered[T](value: T, path: str) -> T:
    """Return settings or rows with every number remembering its place below ``path``, such as ``config``."""
    found: T = _traced(value, path)
    return found


def _traced(value: Any, path: str, names: Sequence[str] = ()) -> Any:
    if isinstance(value, bool | str | Posterior) or value is None:
        return value
    if isinstance(value, float):
        return Traced(value, path)
    if isinstance(value, int):
        return TracedCount(value, path)
    if isinstance(value, Mapping):
        return {key: _traced(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, tuple | list):
        named = zip(names or _names(value), value, strict=True)
        return tuple(_traced(item, f"{path}.{name}") for name, item in named)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{f.name: _traced(getattr(value, f.name), f"{path}.{f.name}") for f in fields(value)}
        )
    return value


def _names(rows: Sequence[Any]) -> Iterator[str]:
    """Name the rows of a list by their study; a second row of the same name gets its position too."""
    seen: Counter[str] = Counter()
    for i, row in enumerate(rows):
        name = field_name(next((str(getattr(row, key)) for key in NAMED_BY if hasattr(row, key)), str(i)))
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}:{seen[name]}"


def numbers(page: str) -> tuple[Number, ...]:
    """Return the numbers of a page whose fields are known, in the order in which a reader meets them first."""
    found: dict[str, tuple[float, dict[str, None]]] = {}
    for raw, field, written in _ON_PAGE.findall(page):
        found.setdefault(html.unescape(field), (float(raw), {}))[1][html.unescape(written)] = None
    return tuple(Number(field, value, tuple(forms)) for field, (value, forms) in found.items())


def chain(number_id: str, analyses: Sequence[Analysis]) -> Chain:
    """Return what a number was made from.

    Parameters
    ----------
    number_id : str
        A path, as `traced` makes it.
    analyses : sequence of Analysis
        Everything that was analysed.

    Raises
    ------
    KeyError
        When no analysis, and no model of it, has that name.
    """
    name, _, path = number_id.partition(".")
    if name in BESIDE:
        return Chain(BESIDE[name], ())
    analysis = next((a for a in analyses if a.spec.id == name), None)
    if analysis is None:
        raise KeyError(name)
    kind, _, rest = path.partition(".")
    if kind == "fits":
        model = rest.partition(".")[0]
        return Chain(_model(analysis.fits[model]), _parts(analysis, analysis.fits[model]))
    fit = analysis.fits.get(analysis.lead)
    if kind == "effects":
        study = rest.partition(".")[0]
        parts = tuple(part for part in _parts(analysis, fit) if part.study_id == study)
        return Chain("the effect of one study", parts)
    if kind in APART:
        return Chain(APART[kind], ())
    check = rest.partition(".")[0] if kind == "refits" else kind
    return Chain(MADE.get(check, check.replace("_", " ")), _parts(analysis, fit))


def _model(fit: Fit) -> str:
    options = "; ".join(f"{name}: {_option(value)}" for name, value in sorted(fit.options.items()))
    return f"{fit.method} ({options})" if options else fit.method


def _option(value: object) -> str:
    """Write a setting of a model: whole numbers without a decimal point."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return cited(value, str(int(value)) if float(value).is_integer() else str(float(value)))
    return str(value)


def _parts(analysis: Analysis, fit: Fit | None) -> tuple[Part, ...]:
    weights: Sequence[float | None] = fit.weights if fit is not None else (None,) * analysis.k
    return tuple(_part(effect, weight) for effect, weight in zip(analysis.effects, weights, strict=True))


def _part(effect: Effect, weight: float | None) -> Part:
    return Part(
        study_id=effect.study_id,
        label=effect.label,
        weight=weight,
        effect=effect.yi,
        variance=effect.vi,
        steps=effect.derivation,
        assumptions=effect.assumptions,
        extraction_id=effect.extraction_id,
        locator=effect.source_locator,
        url=effect.source_url,
    )
