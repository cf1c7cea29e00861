"""The section of popular claims: counts, groups by what decides them, one row per claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from k2meta.analysis import Analysis
from k2meta.claims import DECISIONS, NOT_TESTABLE, VERDICTS, Decided, Decision
from k2meta.numbers import Traced, count, field_name, fixed
from k2meta.report.words import first_up
from k2meta.tables.parts import is_traced, link, listed, typeset

UNDECIDED = "What no analysis of this review decides"
"""Heading of the claims that the fits say nothing about."""


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """One claim as the page prints it; ``numbers`` pairs a number with the question it belongs to."""

    id: str
    article: str
    text: str
    kind: str
    labels: tuple[str, ...]
    verdict: str
    short: str
    numbers: tuple[tuple[str, str], ...]
    why: tuple[str, ...]
    not_applied: str
    faithful: str
    study: str
    design: str
    reported: str
    href: str
    locator: str


@dataclass(frozen=True, slots=True)
class ClaimGroup:
    """The claims that one question decides, with its pool and the rules in words."""

    title: str
    anchor: str
    pools: tuple[str, ...]
    rules: tuple[str, ...]
    rows: tuple[ClaimRow, ...]


@dataclass(frozen=True, slots=True)
class ClaimsPage:
    """The whole section: how many claims came to which verdict, by article too, and the groups."""

    summary: str
    told: str
    head: tuple[str, ...]
    articles: tuple[tuple[str, ...], ...]
    groups: tuple[ClaimGroup, ...]


def claims_page(decided: Sequence[Decided], analyses: Sequence[Analysis]) -> ClaimsPage | None:
    """Return what the section prints, or ``None`` where a review has no claims."""
    if not decided:
        return None
    titles = {analysis.spec.id: analysis.spec.title for analysis in analyses}
    order = [*titles, ""]
    groups: dict[str, list[Decided]] = {name: [] for name in order}
    for one in decided:
        groups[one.decisions[0].part.analysis].append(one)
    return ClaimsPage(
        summary=_summary(decided, analyses),
        told=_told(decided, analyses),
        head=("Article", "Claims", *(first_up(word) for word in VERDICTS), "Told faithfully"),
        articles=_articles(decided, analyses),
        groups=tuple(_group(name, found, titles, analyses) for name, found in groups.items() if found),
    )


def _counted(analyses: Sequence[Analysis], name: str, n: int) -> str:
    """Write a count of claims, under an id of its own."""
    return count(listed(analyses, f"claims.{name}", n))


def _summary(decided: Sequence[Decided], analyses: Sequence[Analysis]) -> str:
    counts = [(word, sum(one.verdict == word for one in decided)) for word in VERDICTS]
    few = sum(one.verdict == "not testable" and one.short.startswith("too few") for one in decided)
    said = ", ".join(f"{_counted(analyses, f'verdicts.{field_name(word)}', n)} {word}" for word, n in counts)
    note = f" ({_counted(analyses, 'too_few_trials', few)} of these for lack of trials)" if few else ""
    noun = "claim" if len(decided) == 1 else "claims"
    return f"Of {_counted(analyses, 'all', len(decided))} {noun}: {said}{note}."


def _told(decided: Sequence[Decided], analyses: Sequence[Analysis]) -> str:
    words: dict[str, int] = {}
    for one in decided:
        words[one.claim.faithful] = words.get(one.claim.faithful, 0) + 1
    return ", ".join(
        f"{_counted(analyses, f'told.{field_name(word)}', n)} {word}"
        for word, n in sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))
        if word
    )


def _articles(decided: Sequence[Decided], analyses: Sequence[Analysis]) -> tuple[tuple[str, ...], ...]:
    rows = []
    for article in dict.fromkeys(one.claim.article for one in decided):
        own = [one for one in decided if one.claim.article == article]
        counts: dict[str, int] = {word: sum(one.verdict == word for one in own) for word in VERDICTS}
        faithful = sum(one.claim.faithful == "faithful" for one in own)
        cells = {"all": len(own), **counts, "told_faithfully": faithful}
        place = f"articles.{field_name(article)}"
        written = (_counted(analyses, f"{place}.{field_name(name)}", n) for name, n in cells.items())
        rows.append((first_up(article), *written))
    return tuple(rows)


def _group(
    name: str, found: Sequence[Decided], titles: Mapping[str, str], analyses: Sequence[Analysis]
) -> ClaimGroup:
    own = [part for one in found for part in one.decisions if part.part.analysis == name]
    rules = dict.fromkeys(part.part.rule for part in own if part.part.rule != NOT_TESTABLE)
    return ClaimGroup(
        title=titles.get(name, UNDECIDED),
        anchor=f"q-{name}" if name else "",
        pools=tuple(dict.fromkeys(part.pool for part in own if part.pool)),
        rules=tuple(_rule(rule, analyses) for rule in rules),
        rows=tuple(_row(one, name, titles) for one in found),
    )


def _rule(name: str, analyses: Sequence[Analysis]) -> str:
    """Write a rule in words, its limit under an id of its own."""
    rule = DECISIONS[name]
    if rule.limit is None:
        return rule.words
    limit = Traced(rule.limit, f"claims.rules.{name}.limit") if is_traced(analyses) else rule.limit
    return rule.words.format(limit=fixed(limit, 2))


def _row(one: Decided, name: str, titles: Mapping[str, str]) -> ClaimRow:
    claim = one.claim
    numbers = [(_elsewhere(part, name, titles), part.number) for part in one.decisions if part.number]
    why = [": ".join(filter(None, (_elsewhere(part, name, titles), part.reading))) for part in one.decisions]
    return ClaimRow(
        id=claim.id,
        article=claim.article,
        text=claim.text,
        kind=claim.kind,
        labels=one.labels,
        verdict=one.verdict,
        short=one.short,
        numbers=tuple(numbers),
        why=(*dict.fromkeys(map(typeset, why)), *one.beside),
        not_applied=typeset(claim.not_applied),
        faithful=claim.faithful,
        study=claim.study if claim.study != "-" else "",
        design=claim.design if claim.design != "-" else "",
        reported=typeset(claim.reported) if claim.reported != "-" else "",
        href=link(claim.url),
        locator=claim.locator,
    )


def _elsewhere(part: Decision, name: str, titles: Mapping[str, str]) -> str:
    """Name the question of a part that another question than the group's decides."""
    return "" if part.part.analysis == name else titles.get(part.part.analysis, "")
