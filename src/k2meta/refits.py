"""What refitting an analysis gave, typed for whoever draws or prints it, on the scale of the analysis."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, get_type_hints

from k2meta.models.fit import Estimate

if TYPE_CHECKING:
    from k2meta.models.subgroups import Subgroups


@dataclass(frozen=True, slots=True)
class Step:
    """The leading model of all studies up to one; ``order`` is what they were sorted by, such as the year."""

    study_id: str
    label: str
    order: str
    k: int
    mu: Estimate
    tau2: float


@dataclass(frozen=True, slots=True)
class Cumulative:
    """How the answer grew, oldest study first; empty with a reason in ``not_run``."""

    steps: tuple[Step, ...]
    not_run: str = ""


@dataclass(frozen=True, slots=True)
class Pull:
    """Coordinates of one study in a Baujat plot (see ``k2meta.sensitivity.baujat``)."""

    study_id: str
    label: str
    contribution: float
    influence: float


@dataclass(frozen=True, slots=True)
class Pulls:
    """Baujat coordinates of every study; empty with a reason in ``not_run``."""

    studies: tuple[Pull, ...]
    not_run: str = ""


@dataclass(frozen=True, slots=True)
class WithWithout:
    """Quartiles (first, median, third) of the pooled effect over the subsets with and without a study."""

    study_id: str
    label: str
    inside: tuple[float, float, float]
    outside: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class SubsetMap:
    """Counts of subset fits by pooled effect and I2.

    Attributes
    ----------
    k, subsets : int
        Number of studies, and of subsets fitted.
    exact : bool
        Whether these are all subsets, or a random sample of them.
    mu : tuple of float
        Edges of the columns, increasing, in units of the effects.
    i2 : tuple of float
        Edges of the rows, increasing, in percent.
    counts : tuple of tuple of int
        ``counts[i][j]`` subsets fall into row i of I2 and column j of mu.
    studies : tuple of WithWithout
    not_run : str
        Why there are none; empty otherwise.
    """

    k: int
    subsets: int
    exact: bool
    mu: tuple[float, ...] = ()
    i2: tuple[float, ...] = ()
    counts: tuple[tuple[int, ...], ...] = ()
    studies: tuple[WithWithout, ...] = ()
    not_run: str = ""


@dataclass(frozen=True, slots=True)
class Specification:
    """One reasonable analysis: which studies, which model, which estimator of tau2, which interval."""

    data: str
    model: str
    tau2_method: str
    interval: str
    k: int
    mu: Estimate
    tau2: float
    headline: bool


@dataclass(frozen=True, slots=True)
class Multiverse:
    """Every reasonable analysis at once. ``left_out`` says in sentences which were not possible, and why."""

    specifications: tuple[Specification, ...]
    left_out: tuple[str, ...] = ()
    not_run: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """One subgroup: positions of its studies among the effects, and its pooled effect where there is one."""

    name: str
    members: tuple[int, ...]
    mu: Estimate | None
    tau2: float | None


@dataclass(frozen=True, slots=True)
class Grouped:
    """Pooled effects by subgroup and the test between them.

    Attributes
    ----------
    by : str
        What the studies are grouped by, in words.
    groups : tuple of Group
        Every study is in one of them.
    statistic, p : float or None
        Omnibus test that all subgroups share one effect; F where ``df_residual`` is given, else chi-square.
    df, df_residual : float or None
        Its degrees of freedom.
    test : str
        Which test that is, in words.
    exploratory : bool
        Whether there are fewer than ten studies for each subgroup beyond the first.
    not_run : str
        Why the subgroups are not compared; empty otherwise.
    """

    by: str
    groups: tuple[Group, ...]
    statistic: float | None
    df: float | None
    df_residual: float | None
    p: float | None
    test: str
    exploratory: bool
    not_run: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """The interval of the pooled effect at one level of confidence."""

    level: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ConfidenceCurve:
    """Intervals at many levels, increasing; empty with a reason in ``not_run``."""

    model: str
    limits: tuple[Limits, ...]
    not_run: str = ""


@dataclass(frozen=True, slots=True)
class MissingResults:
    """What the known missing results could do to the pool, or the reason why that was not computed.

    Attributes
    ----------
    missing : int
        Number of missing studies.
    se : float or None
        Standard error of a typical pooled study (the median variance), given to each missing one.
    includes_from, includes_to : float or None
        With the missing studies the leading interval includes zero exactly where their mean effect lies between
        these, on the scale of the analysis.
    value, low, high : float or None
        Pooled mean and interval if the mean of the missing studies were zero.
    not_run : str
        Why there is no bound; empty where there is one.
    """

    missing: int
    se: float | None = None
    includes_from: float | None = None
    includes_to: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    not_run: str = ""


@dataclass(frozen=True, slots=True)
class Refits:
    """The refits of one analysis that were asked for, by the id of their check."""

    cumulative: Cumulative | None = None
    baujat: Pulls | None = None
    gosh: SubsetMap | None = None
    multiverse: Multiverse | None = None
    subgroups: Grouped | None = None
    confidence_curve: ConfidenceCurve | None = None


NOTHING = Refits()
"""No refit was asked for."""

CHECKS: tuple[str, ...] = tuple(field.name for field in fields(Refits))
"""Ids of the checks, as config.yaml uses them."""


def by_subgroup(found: Subgroups, by: str) -> Grouped:
    """Return fitted subgroups as figures take them."""
    test = found.q_between
    return Grouped(
        by=by,
        groups=tuple(Group(one.name, one.members, one.mu, one.tau2) for one in found.groups),
        statistic=test.value if test else None,
        df=test.df if test else None,
        df_residual=test.df_residual if test else None,
        p=test.p if test else None,
        test=found.test,
        exploratory=found.exploratory,
        not_run=(found.not_run or (test.not_run if test else "") or ""),
    )


def kind(check: str) -> type:
    """Return the type that a check is written as."""
    hint = get_type_hints(Refits)[check]
    found: type = next(part for part in hint.__args__ if part is not type(None))
    return found
