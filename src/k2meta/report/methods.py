"""The methods section, read off the fits: which models, which priors, which lines, which sources."""

from __future__ import annotations

from collections.abc import Sequence

from k2meta.analysis import Analysis
from k2meta.numbers import fixed, places, plain
from k2meta.report import words
from k2meta.tables.parts import ABSENT, TIERS, bayesian, text, typeset


def fitted_models(analyses: Sequence[Analysis]) -> tuple[tuple[str, str, str], ...]:
    """Return model id, method and the options that all questions share, one row per model and method."""
    found: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    for analysis in analyses:
        for model, fit in analysis.fits.items():
            options = found.setdefault((model, fit.method), {})
            for name, value in fit.options.items():
                # Questions agree on an option where they write it alike, whatever field each read it from.
                options.setdefault(name, {}).setdefault(plain(text(value)), text(value))
    return tuple(
        (model, typeset(method), typeset(_options(options))) for (model, method), options in found.items()
    )


def _options(options: dict[str, dict[str, str]]) -> str:
    written = (
        f"{name}: {next(iter(values.values())) if len(values) == 1 else 'by question'}"
        for name, values in sorted(options.items())
        if set(values) != {ABSENT}
    )
    return "; ".join(written)


def priors(analyses: Sequence[Analysis]) -> tuple[tuple[str, str, str], ...]:
    """Return question, priors in words, and where the scale of the prior comes from."""
    rows = []
    for analysis in analyses:
        fit = bayesian(analysis)
        if fit is None:
            continue
        options = {name: text(value) for name, value in fit.options.items() if name.endswith("prior")}
        said = "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in sorted(options.items()))
        source = typeset(str(fit.options.get("tau_prior_source", ""))) or _scale_source(analysis)
        rows.append((analysis.spec.title, said or typeset(fit.method), source))
    return tuple(rows)


def _scale_source(analysis: Analysis) -> str:
    sd = analysis.spec.patient_sd
    if sd is None:
        return "a scale without unit, the same for every question of this measure"
    return f"patient SD {text(sd.value)} {analysis.spec.unit} ({sd.source})"


def relevance_lines(analyses: Sequence[Analysis]) -> tuple[tuple[str, str, str, str], ...]:
    """Return question, kind, value with unit and label, and source of every relevance line or anchor."""
    return tuple(
        (
            analysis.spec.title,
            "relevance line" if line.kind == "relevance" else "anchor, not a relevance line",
            f"{line.label} (drawn at {_drawn(analysis, line.value)})",
            line.source,
        )
        for analysis in analyses
        for line in analysis.spec.lines
    )


def _drawn(analysis: Analysis, value: float) -> str:
    spec = analysis.spec
    decimals = places(spec.measure, abs(value))
    if spec.measure == "LOGRATIO":
        return words.amount(spec, value, decimals)
    return f"{fixed(value, decimals)} {spec.unit}".rstrip()


def read_as(analyses: Sequence[Analysis]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return each kind of source with the names of the studies read in it, in a pool or beside one."""
    found: dict[str, dict[str, None]] = {tier: {} for tier in TIERS}
    for analysis in analyses:
        seen = [(e.source_tier, e.label) for e in analysis.effects]
        seen += [(d.source_tier, d.label) for d in analysis.dropped]
        for tier, label in seen:
            found.setdefault(tier, {})[label] = None
    return tuple((TIERS.get(tier, tier), tuple(sorted(names))) for tier, names in found.items() if names)
