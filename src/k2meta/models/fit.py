"""The one result type of every model: common effect, random effects and Bayesian alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from k2meta.shown import ShowsItself

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from k2meta.models.posterior_summaries import JointDensity


@dataclass(frozen=True, slots=True)
class Estimate(ShowsItself):
    """A scalar with its uncertainty.

    Attributes
    ----------
    value : float
        Point estimate; the posterior mean of a Bayesian fit.
    se : float
        Standard error; the posterior standard deviation of a Bayesian fit.
    low, high : float
        Limits of the confidence interval, or of the equal-tailed credible interval.
    level : float
        Coverage of the interval, 0.95 unless told.
    df : float or None
        Degrees of freedom of the t distribution used; ``None`` for the normal and for Bayesian fits.
    statistic, p : float or None
        Test of zero (two-sided); ``None`` for Bayesian fits.
    median : float or None
        Posterior median (Bayesian fits).
    shortest : tuple of float or None
        Shortest credible interval (Bayesian fits).
    """

    value: float
    se: float
    low: float
    high: float
    level: float = 0.95
    df: float | None = None
    statistic: float | None = None
    p: float | None = None
    median: float | None = None
    shortest: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Heterogeneity(ShowsItself):
    """Between-study variance ``tau2`` with its interval and the methods that gave them."""

    value: float
    se: float | None
    low: float | None
    high: float | None
    method: str
    interval_method: str
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Share(ShowsItself):
    """A share or ratio (I2 in percent, H2) with its interval and the definition used."""

    value: float
    low: float | None
    high: float | None
    definition: str


@dataclass(frozen=True, slots=True)
class QTest(ShowsItself):
    """Cochran's Q with its chi-square test of homogeneity; ``i2`` is max(0, 100 (Q - df) / Q)."""

    value: float
    df: int
    p: float | None
    i2: float


@dataclass(frozen=True, slots=True)
class Prediction(ShowsItself):
    """Interval for the true effect in a new study."""

    low: float
    high: float
    df: float | None
    method: str
    level: float = 0.95

    def repeats(self, mu: Estimate) -> bool:
        """Return whether this is the interval of the mean again, as far as nine digits show: tau2 is then zero."""
        ends = ((self.low, mu.low), (self.high, mu.high))
        return all(math.isclose(own, other, rel_tol=1e-9, abs_tol=0.0) for own, other in ends)


@dataclass(frozen=True, slots=True)
class StudyEstimate:
    """Shrunken (empirical-Bayes or posterior) estimate of one study's true effect."""

    value: float
    se: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Posterior:
    """Exact posterior as a mixture over tau: mu given tau_j is N(mu_mean_j, mu_sd_j**2).

    Attributes
    ----------
    tau : tuple of float
        Quadrature nodes, increasing, in units of ``yi``.
    weight : tuple of float
        Posterior probability carried by each node; sums to one.
    density : tuple of float
        Posterior density p(tau | y) at each node.
    mu_mean, mu_sd : tuple of float
        Conditional posterior mean and standard deviation of mu at each node.
    """

    tau: tuple[float, ...]
    weight: tuple[float, ...]
    density: tuple[float, ...]
    mu_mean: tuple[float, ...]
    mu_sd: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Diagnostics(ShowsItself):
    """How the numbers were reached, and whether they may be trusted.

    ``quadrature_error`` belongs to fits by quadrature: how much the worst of the integrals over tau (the total and
    the moments of mu and tau) differs when every panel is halved, as a share of the integral.
    """

    converged: bool
    at_boundary: bool
    iterations: int | None = None
    local_optima: int | None = None
    rhat: float | None = None
    ess_bulk: float | None = None
    ess_tail: float | None = None
    divergences: int | None = None
    ebfmi: float | None = None
    mcse_mu: float | None = None
    mcse_tau: float | None = None
    quadrature_error: float | None = None


@dataclass(frozen=True, slots=True)
class Fit(ShowsItself):
    """The frozen result of one model on one set of effects.

    ``weights`` sum to one (study weights of ``mu``). ``tau`` is the between-study standard deviation as
    an estimate of its own. ``log_evidence`` is ``None`` where a prior is improper. ``warnings`` are
    sentences meant for the reader. ``yi`` and ``vi`` are the effects and sampling variances behind the fit, empty
    where a model was given something else, such as counts.
    """

    model: str
    method: str
    options: Mapping[str, str | float]
    k: int
    mu: Estimate
    tau2: Heterogeneity
    tau: Estimate
    i2: float
    h2: float
    i2_share: Share
    h2_share: Share
    q: QTest
    prediction: Prediction | None
    weights: tuple[float, ...]
    studies: tuple[StudyEstimate, ...]
    diagnostics: Diagnostics
    posterior: Posterior | None = None
    log_evidence: float | None = None
    warnings: tuple[str, ...] = field(default_factory=tuple)
    yi: tuple[float, ...] = ()
    vi: tuple[float, ...] = ()

    @property
    def converged(self) -> bool:
        """Whether the optimum or the sampler reached its stated accuracy."""
        return self.diagnostics.converged

    @property
    def at_boundary(self) -> bool:
        """Whether tau2 sits on zero."""
        return self.diagnostics.at_boundary

    def prob(self, *, mu_below: float | None = None, new_below: float | None = None) -> float:
        """Return the posterior probability that mu, or the true effect in a new study, lies below a value.

        Raises
        ------
        ModelError
            For a fit without a posterior: a confidence interval carries no such probability.
        InputError
            For none or both of the values, or one that is not a number.
        """
        from k2meta.models.posterior_summaries import probability_below

        return probability_below(self, mu=mu_below, new=new_below)

    def new_effect(self, level: float = 0.95) -> Estimate:
        """Return the true effect in a new study: mean, SD, median, equal-tailed and shortest interval.

        Raises
        ------
        ModelError
            For a fit without a posterior; a frequentist one has its ``prediction``.
        InputError
            For a level that is none.
        """
        from k2meta.models.posterior_summaries import new_study

        return new_study(self, level)

    def true_effects(self, level: float = 0.95) -> tuple[Estimate, ...]:
        """Return the true effect of every study with what ``studies`` leaves out: median and shortest interval.

        Raises
        ------
        ModelError
            For a fit without a posterior, or without the effects behind it.
        InputError
            For a level that is none.
        """
        from k2meta.models.posterior_summaries import true_study_effects

        return true_study_effects(self, level)

    def joint_density(self, mu: ArrayLike) -> JointDensity:
        """Return the joint posterior density of mu and tau at values of mu, shape (n,), and the nodes of tau.

        Raises
        ------
        ModelError
            For a fit without a posterior.
        InputError
            For values that are not finite numbers.
        """
        from k2meta.models.posterior_summaries import joint_density

        return joint_density(self, mu)
