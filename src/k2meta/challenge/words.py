"""The result of a challenge as a table and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from k2meta.challenge.errors import ERRORS
from k2meta.challenge.score import Clean, Outcome, Score
from k2meta.challenge.synthetic import (
    DROP_OUT,
    KINDS,
    LARGEST,
    PRINTS_ALL,
    PRINTS_DIFFERENCE,
    PRINTS_P,
    SMALLEST,
    STUDIES,
    Kind,
)

TARGETS: Mapping[tuple[str, str], float] = {
    ("outside_interval", ""): 1.0,
    ("sign_slip", ""): 0.95,
    ("se_as_sd", "PWV"): 0.97,
    ("se_as_sd", "CAC"): 0.90,
    ("unit_x100", ""): 0.99,
    ("duplicate_trial", ""): 1.0,
    ("shared_control", ""): 1.0,
}
"""Least share of injected errors to be caught, by error and table (\"\" stands for every table)."""

MOST_FLAGGED = {"error": 20.0, "query": 100.0}
"""Most clean rows flagged, per 1,000: at error level, and at any level above a note."""

COLUMNS = (
    "error",
    "table",
    "injections",
    "rows",
    "caught",
    "share",
    "share_low",
    "share_high",
    "caught_by_error",
    "share_by_error",
    "checks",
    "target",
    "met",
)


def target(outcome: Outcome) -> float | None:
    """Return the share to be reached, ``None`` where none was set."""
    return TARGETS.get((outcome.error, outcome.table), TARGETS.get((outcome.error, "")))


def met(outcome: Outcome) -> bool | None:
    """Whether the target is reached; ``None`` without one, or where no row could hold the error."""
    wanted = target(outcome)
    return None if wanted is None or not outcome.injections else outcome.caught >= wanted * outcome.injections


def exact_interval(hits: int, tries: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(hits, tries - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, tries - hits, 1 - tail)) if hits < tries else 1.0
    return low, high


def table(score: Score) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Return columns and rows: one per error and table, then the clean rows (``caught`` are false flags there)."""
    return COLUMNS, [*map(_row, score.outcomes), *map(_clean_row, score.clean)]


def _row(o: Outcome) -> tuple[object, ...]:
    if not o.injections:
        return (o.error, o.table, 0, 0, *[None] * 6, "", target(o), "")
    shares = (o.caught / o.injections, *exact_interval(o.caught, o.injections))
    reached = {True: "yes", False: "no", None: ""}[met(o)]
    by_error = (o.caught_by_error, o.caught_by_error / o.injections)
    return (
        o.error,
        o.table,
        o.injections,
        o.rows,
        o.caught,
        *shares,
        *by_error,
        _checks(o.checks),
        target(o),
        reached,
    )


def _clean_row(c: Clean) -> tuple[object, ...]:
    shares = (c.flagged / c.rows, *exact_interval(c.flagged, c.rows))
    by_error = (c.flagged_by_error, c.flagged_by_error / c.rows)
    limit = MOST_FLAGGED["query"] / 1000
    reached = "yes" if clean_met(c) else "no"
    return (
        "none (clean row)",
        c.table,
        0,
        c.rows,
        c.flagged,
        *shares,
        *by_error,
        _checks(c.checks),
        limit,
        reached,
    )


def clean_met(clean: Clean) -> bool:
    """Whether few enough clean rows were flagged, at error level and in all."""
    errors, flags = (1000 * n / clean.rows for n in (clean.flagged_by_error, clean.flagged))
    return errors <= MOST_FLAGGED["error"] and flags <= MOST_FLAGGED["query"]


def _checks(checks: Mapping[str, int]) -> str:
    return " ".join(f"{name}:{count}" for name, count in checks.items())


def readme(score: Score) -> str:
    """Return the page that says what was done, what was found, what was not, and how to repeat it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    page = Environment(
        loader=PackageLoader("k2meta.challenge", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    ).get_template("README.md.j2")
    return page.render(
        score=score,
        errors=len(ERRORS),
        found=[_found(outcome) for outcome in score.outcomes],
        clean=[_flagged(clean) for clean in score.clean],
        smallest=SMALLEST,
        largest=LARGEST,
        studies=f"{', '.join(map(str, STUDIES[:-1]))} or {STUDIES[-1]}",
        lost=f"{DROP_OUT:.0%}",
        all=f"{PRINTS_ALL:.0%}",
        difference=f"{PRINTS_DIFFERENCE:.0%}",
        p=f"{PRINTS_P:.0%}",
        kinds=[_kind(name, kind) for name, kind in KINDS.items()],
    )


def _found(o: Outcome) -> tuple[str, ...]:
    """Return the cells of one error in one kind of table."""
    title = ERRORS[o.error].title
    if not o.injections:
        return (title, o.table, "no row can hold it", "", "", "", "")
    low, high = exact_interval(o.caught, o.injections)
    wanted = target(o)
    goal = "" if wanted is None else f"{wanted:.2f} {'met' if met(o) else '**missed**'}"
    share = f"{o.caught / o.injections:.3f} ({low:.3f} to {high:.3f})"
    by_error = f"{o.caught_by_error / o.injections:.3f}"
    return (title, o.table, f"{o.caught} of {o.injections}", share, by_error, goal, _most(o.checks))


def _flagged(c: Clean) -> tuple[str, ...]:
    """Return the cells of the clean rows of one kind of table."""
    rates = (f"{1000 * n / c.rows:.1f}" for n in (c.flagged, c.flagged_by_error))
    goal = f"{MOST_FLAGGED['query']:.0f} and {MOST_FLAGGED['error']:.0f} {'met' if clean_met(c) else '**missed**'}"
    return (c.table, str(c.rows), *rates, goal, _most(c.checks))


def _kind(name: str, kind: Kind) -> str:
    spread = f"SD of the change {kind.change_sd:g} with a log SD of {kind.log_sd:g} between trials"
    return f"{name}: {kind.label}, {spread}, {' or '.join(map(str, kind.decimals))} decimals"


def _most(checks: Mapping[str, int]) -> str:
    """Name the checks that fired, most often first."""
    return ", ".join(f"{n} {c}" for n, c in sorted(checks.items(), key=lambda item: (-item[1], item[0])))


def missed(score: Score) -> Sequence[str]:
    """Return in words every target that was missed."""
    found = [
        f"{ERRORS[o.error].title} ({o.table}): {o.caught} of {o.injections}"
        for o in score.outcomes
        if met(o) is False
    ]
    return found + [
        f"clean rows ({c.table}): {c.flagged} of {c.rows} flagged" for c in score.clean if not clean_met(c)
    ]
