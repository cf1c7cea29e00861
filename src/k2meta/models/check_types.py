"""What the checks of a sampled model say; only data, so that figures, tables and the report may read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from k2meta.shown import ShowsItself

Diagnosis = Literal["none", "prior-data conflict", "strong prior, weak likelihood"]

SENSITIVE = 0.05
"""Sensitivity from which a parameter is called sensitive (Kallioinen et al. 2024)."""


@dataclass(frozen=True, slots=True)
class Loo:
    """Leave-one-out cross-validation by Pareto-smoothed importance sampling.

    Attributes
    ----------
    elpd : float
        Expected log predictive density of the effect of a study that was left out, summed over studies; higher is
        better.
    se : float
        Its standard error over the studies.
    p_loo : float
        Effective number of parameters.
    pointwise : tuple of float, length k
        Log predictive density of each study given the others; they sum to ``elpd``.
    pareto_k : tuple of float, length k
        Pareto shape of each study's importance ratios.
    good_k : float
        Shape below which the estimate may be trusted with so many draws.
    """

    elpd: float
    se: float
    p_loo: float
    pointwise: tuple[float, ...]
    pareto_k: tuple[float, ...]
    good_k: float

    @property
    def unreliable(self) -> tuple[int, ...]:
        """Studies whose estimate may not be trusted, by position."""
        return tuple(i for i, k in enumerate(self.pareto_k) if not k <= self.good_k)


@dataclass(frozen=True, slots=True)
class LooComparison:
    """Difference in elpd between two models of the same effects: positive where ``model`` predicts better.

    In a review both come from quadrature (:func:`k2meta.models.exact_loo.exact_leave_one_out`).
    ``se`` is the standard error of the difference over the studies. With few studies it is itself uncertain.
    """

    model: str
    other: str
    difference: float
    se: float


@dataclass(frozen=True, slots=True)
class PredictiveCheck:
    """The effects next to effects replicated from the posterior: same sampling variances, new true effects.

    Attributes
    ----------
    pit : tuple of float, length k
        Posterior predictive probability of an effect below the one seen, for each study.
    chi2_p : float
        Probability that replicated effects scatter more about mu than those seen; small where they scatter more
        than the model expects, large where less.
    extreme_p : float
        Probability that the furthest replicated effect lies further out than the furthest one seen, each in its
        own standard deviations.
    extreme : int
        Position of the study that is furthest out.
    """

    pit: tuple[float, ...]
    chi2_p: float
    extreme_p: float
    extreme: int


@dataclass(frozen=True, slots=True)
class Scaled:
    """Mean and standard deviation of a parameter when ``component`` counts ``power`` times."""

    component: Literal["prior", "likelihood"]
    power: float
    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class PowerScaling:
    """How much the posterior of a parameter moves when prior or likelihood is given more or less weight.

    Attributes
    ----------
    parameter : {"mu", "tau"}
        The parameter.
    prior, likelihood : float
        Change of its distribution for each doubling of the weight (cumulative Jensen-Shannon distance).
    diagnosis : Diagnosis
        ``"prior-data conflict"`` where both move it, ``"strong prior, weak likelihood"`` where the prior alone
        does, ``"none"`` where the prior does not.
    scaled : tuple of Scaled
        Where it moves to.
    """

    parameter: str
    prior: float
    likelihood: float
    diagnosis: Diagnosis
    scaled: tuple[Scaled, ...]


@dataclass(frozen=True, slots=True)
class ModelChecks(ShowsItself):
    """The checks of one sampled model.

    ``comparison`` sets it against Student-t random effects, where there are three studies or more; ``studies``
    names the studies in the order of every tuple of length k.
    """

    model: str
    studies: tuple[str, ...]
    loo: Loo
    comparison: LooComparison | None
    predictive: PredictiveCheck
    sensitivity: tuple[PowerScaling, ...]
