"""What every sampled model shares: compiled once with room for its studies, run, checked and summed up.

A model is a function from a number of studies to a PyMC model whose data are ``pm.Data`` and whose vectors have
the dimension ``study``. The number of parameters of a compiled model is fixed, so fewer studies than it has room
for are filled up with studies that say nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Required, TypedDict

import numpy as np
from numpy.typing import NDArray

from k2meta.models.errors import InputError, PriorError
from k2meta.models.fit import Diagnostics, Estimate, Fit, Heterogeneity, Prediction, QTest, Share, StudyEstimate
from k2meta.models.gate import ESS_AT_LEAST, failures
from k2meta.models.inputs import Vector, checked_level
from k2meta.models.mixtures import Mixtures
from k2meta.models.priors import HalfNormal, Normal, check_mu_prior, check_tau_prior
from k2meta.shown import ShowsItself

DRAWS = 5000
"""Per chain. Non-centred draws of mu are worth least when the data say much about tau: on the thirteen BCG trials
4 x 2,000 gave an effective sample size of 870, so 4 x 5,000 clears the gate with room."""

TUNE = 1000
CHAINS = 4
TARGET_ACCEPT = 0.99
STRICTER = 0.1
"""Of what the mean acceptance may miss, the share that a repetition is left with."""

LEAST = {"seed": 0, "chains": 1, "draws": 4, "tune": 1}
"""Least value of each whole number; R-hat halves a chain and compares draws within a half, so it needs four."""

LARGEST_SEED = 2**64
"""What the sampler's 64 bits of seed end below."""

ROOM = 16
"""Studies a model is compiled for unless it is told otherwise."""


class Watched(Protocol):
    """Draws that can be diagnosed."""

    @property
    def energy(self) -> NDArray[np.float64]:
        """Energy of the sampler, shape (chain, draw)."""

    @property
    def diverging(self) -> NDArray[np.bool_]:
        """Divergent transitions, shape (chain, draw)."""

    def watched(self) -> tuple[NDArray[np.float64], ...]:
        """Return what must have been explored, each of shape (chain, draw); a mean first, then a tau."""


@dataclass(frozen=True, slots=True)
class Draws:
    """Posterior draws in units of the effects.

    Attributes
    ----------
    mu, tau : ndarray, shape (chain, draw)
    theta : ndarray, shape (chain, draw, study)
        True effects of the studies.
    energy : ndarray, shape (chain, draw)
        Energy of the sampler, from which E-BFMI is computed.
    diverging : ndarray of bool, shape (chain, draw)
    df : ndarray, shape (chain, draw), or None
        Degrees of freedom of Student-t random effects.
    baseline : ndarray, shape (chain, draw, study), or None
        Log odds of an event in group 2 of the binomial model.
    """

    mu: NDArray[np.float64]
    tau: NDArray[np.float64]
    theta: NDArray[np.float64]
    energy: NDArray[np.float64]
    diverging: NDArray[np.bool_]
    df: NDArray[np.float64] | None = None
    baseline: NDArray[np.float64] | None = None

    def watched(self) -> tuple[NDArray[np.float64], ...]:
        """Return mu, tau and the degrees of freedom where they vary."""
        tails = () if self.df is None or np.ptp(self.df) == 0.0 else (self.df,)
        return (self.mu, self.tau, *tails)


@dataclass(frozen=True, slots=True)
class McmcResult(ShowsItself):
    """A fit and the draws it summarises; ``df`` sums up degrees of freedom that had a prior."""

    fit: Fit
    draws: Draws
    df: Estimate | None = None


class Sampling(TypedDict, total=False):
    """What every sampler may be told beside its data and priors.

    Attributes
    ----------
    seed : int
        Required; see :func:`k2meta.models.bayes_mcmc.seed_for`. The same seed gives the same draws.
    chains, draws, tune : int
        Chains, and iterations of each after and during adaptation.
    target_accept : float
        Mean acceptance the step size aims at.
    level : float
        Probability of every interval.
    model : str
        Identifier written into the fit.
    """

    seed: Required[int]
    chains: int
    draws: int
    tune: int
    target_accept: float
    level: float
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How long and how carefully to sample, and what to call it; see :class:`Sampling`.

    ``attempts`` is two for the repetition of a poor run.

    Raises
    ------
    InputError
        A level that is none, counts or a seed that the sampler cannot take, or an acceptance that is no share.
    TypeError
        A setting that does not exist.
    """

    seed: int
    chains: int = CHAINS
    draws: int = DRAWS
    tune: int = TUNE
    target_accept: float = TARGET_ACCEPT
    level: float = 0.95
    model: str = ""
    attempts: int = 1

    def __post_init__(self) -> None:
        checked_level(self.level)
        for name, least in LEAST.items():
            object.__setattr__(self, name, _whole(name, getattr(self, name), least))
        accept = self.target_accept
        if not (isinstance(accept, (int, float)) and 0.0 < accept < 1.0):
            raise InputError(
                f"target_accept = {accept!r} must lie strictly between 0 and 1, for example {TARGET_ACCEPT:g}"
            )

    def stricter(self) -> Run:
        """Return the same run with twice the draws and a higher target acceptance: .999 becomes .9999."""
        # Rounding must not make it one, which no step is small enough for.
        accept = min(1.0 - STRICTER * (1.0 - self.target_accept), math.nextafter(1.0, 0.0))
        return replace(self, draws=2 * self.draws, target_accept=accept, attempts=2)

    def settings(self) -> dict[str, Any]:
        """Return the settings of the sampler by its names for them."""
        names = ("seed", "chains", "draws", "tune", "target_accept")
        return {name: getattr(self, name) for name in names}


def _whole(name: str, value: object, least: int) -> int:
    example = {"seed": 1, "chains": CHAINS, "draws": DRAWS, "tune": TUNE}[name]
    # True and False are whole numbers to Python, and a mistake to everybody else.
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"{name} = {value!r} must be a whole number of at least {least}, for example {example}")
    if name == "seed" and value >= LARGEST_SEED:
        raise InputError(f"seed = {value!r} must be below 2**64, for example {example}")
    return int(value)


@dataclass(frozen=True, slots=True)
class Sampled[D: Watched]:
    """Draws, what the checks say of them, and the run that gave them."""

    draws: D
    diagnostics: Diagnostics
    run: Run


class CompiledModel:
    """A model that is compiled when it is first needed, and again only for more studies than it has room for.

    Parameters
    ----------
    build : callable
        From a number of studies to a PyMC model.
    names : sequence of str
        Variables whose draws are kept.
    room : int
        Most studies of one analysis.

    Attributes
    ----------
    compilations : int
        How often the model was compiled.
    """

    # Measured side by side on eight schools, 4 chains of 1,000 + 2,000 iterations on two cores: nutpie 0.10 s and
    # PyMC's own sampler 5.0 s for each further analysis, with effective sample sizes of mu and tau of 10,600 and
    # 4,700 against 11,800 and 6,100. Per second nutpie is about forty times better, so it is the one kept.

    def __init__(self, build: Callable[[int], Any], names: Sequence[str], room: int) -> None:
        self._build, self._names, self._room = build, list(names), room
        self._compiled: Any = None
        self.compilations = 0

    def with_data(
        self, k: int, shared: Mapping[str, float | NDArray[np.float64]], **each: tuple[NDArray[np.float64], float]
    ) -> Any:
        """Return the compiled model with an analysis of k studies in it.

        Parameters
        ----------
        k : int
            Number of studies.
        shared : mapping
            Data that do not grow with the studies.
        **each : (ndarray of shape (k, ...), float)
            Data of each study, and the value of a study that says nothing.
        """
        if self._compiled is None or k > self._room:
            import nutpie

            self._room = max(self._room, k)
            self._compiled = nutpie.compile_pymc_model(self._build(self._room), var_names=self._names)
            self.compilations += 1
        filled = {
            name: np.full((self._room, *values.shape[1:]), filler) for name, (values, filler) in each.items()
        }
        for name, (values, _) in each.items():
            filled[name][:k] = values
        return self._compiled.with_data(**filled, **shared)


class Sampler:
    """A compiled model: build it once, then sample every analysis of the process with it.

    Parameters
    ----------
    build : callable
        From a number of studies to a PyMC model.
    names : sequence of str
        Variables whose draws are kept.
    studies : int
        Most studies of one analysis. A larger analysis compiles again, with room for it.
    """

    def __init__(self, build: Callable[[int], Any], names: Sequence[str], studies: int) -> None:
        self._model = CompiledModel(build, names, studies)

    @property
    def compilations(self) -> int:
        """How often the model was compiled."""
        return self._model.compilations


def mean_and_spread() -> tuple[Any, Any, Any]:
    """Add mu, tau and the prior of mu to the PyMC model at hand, with their data.

    Returns
    -------
    mu, tau, tau_scale : tensor
        In standard units: tau has a standard half-normal prior and is to be multiplied with its scale.
    """
    import pymc as pm

    tau_scale = pm.Data("tau_scale", 1.0)
    mu_precision = pm.Data("mu_precision", 0.0)
    mu_mean = pm.Data("mu_mean", 0.0)
    mu = pm.Flat("mu")
    tau = pm.HalfNormal("tau", 1.0)
    # As a potential, because a precision of zero is wanted: no prior for mu.
    pm.Potential("mu_prior", -0.5 * (mu_precision * (mu - mu_mean)) ** 2)
    return mu, tau, tau_scale


def sampled[D: Watched](compiled: Any, run: Run, read: Callable[[Mapping[str, Any]], D]) -> Sampled[D]:
    """Sample; a divergence or an effective sample size below the gate is answered by one stricter repetition.

    Parameters
    ----------
    compiled : object
        From :meth:`CompiledModel.with_data`.
    run : Run
        The first attempt.
    read : callable
        From the kept variables, with ``energy`` and ``diverging``, to draws in units of the effects.
    """
    found = _attempt(compiled, run, read)
    return found if _healthy(found.diagnostics) else _attempt(compiled, run.stricter(), read)


def _attempt[D: Watched](compiled: Any, run: Run, read: Callable[[Mapping[str, Any]], D]) -> Sampled[D]:
    import nutpie

    trace = nutpie.sample(compiled, progress_bar=False, **run.settings())
    kept = {str(name): np.asarray(values) for name, values in trace.posterior.data_vars.items()}
    stats = trace.sample_stats
    kept |= {"energy": np.asarray(stats["energy"]), "diverging": np.asarray(stats["diverging"], dtype=bool)}
    draws = read(kept)
    return Sampled(draws, diagnose(draws), run)


def diagnose(draws: Watched) -> Diagnostics:
    """Return rank-R-hat, effective sample sizes, divergences and E-BFMI: the worst of all that is watched.

    The Monte Carlo standard errors are those of the first mean and the first tau.
    """
    import arviz as az

    checked = draws.watched()
    bulk = min(float(az.ess(x, method="bulk")) for x in checked)
    tail = min(float(az.ess(x, method="tail", prob=(0.05, 0.95))) for x in checked)
    rhat = max(float(az.rhat(x, method="rank")) for x in checked)
    ebfmi = float(np.min(az.bfmi(draws.energy)))
    divergences = int(draws.diverging.sum())
    return Diagnostics(
        converged=not failures(rhat, bulk, tail, divergences, ebfmi),
        at_boundary=False,
        iterations=int(checked[0].size),
        rhat=rhat,
        ess_bulk=bulk,
        ess_tail=tail,
        divergences=divergences,
        ebfmi=ebfmi,
        mcse_mu=float(az.mcse(checked[0], method="mean")),
        mcse_tau=float(az.mcse(checked[1], method="mean")),
    )


def _healthy(d: Diagnostics) -> bool:
    return d.divergences == 0 and min(d.ess_bulk or 0.0, d.ess_tail or 0.0) >= ESS_AT_LEAST


def standard_units(yi: Vector, vi: Vector, scale: float) -> tuple[float, float]:
    """Return centre and width of the units in which mu is sampled.

    In them the sampler sees the same geometry whether effects are in Agatston units or log ratios.
    """
    weight = 1.0 / (vi + scale**2)
    return float(weight @ yi / weight.sum()), 1.0 / math.sqrt(float(weight.sum()))


def prior_data(
    unit: tuple[float, float], shift: float, tau_prior: HalfNormal, mu_prior: Normal | None
) -> dict[str, float]:
    """Return the priors as data of a model, in its standard units; a flat prior has precision zero.

    Parameters
    ----------
    unit : tuple of float
        From :func:`standard_units`.
    shift : float
        What was taken from the effects.
    """
    centre, width = unit
    return {
        "tau_scale": tau_prior.scale / width,
        "mu_precision": width / mu_prior.sd if mu_prior else 0.0,
        "mu_mean": (mu_prior.mean - shift - centre) / width if mu_prior else 0.0,
    }


def checked_priors(tau_prior: HalfNormal, mu_prior: Normal | None) -> dict[str, str | float]:
    """Return the priors in words.

    Raises
    ------
    PriorError
        Something that is no prior, such as a bare number.
    InputError
        A prior of tau other than the half-normal.
    """
    check_tau_prior(tau_prior)
    check_mu_prior(mu_prior)
    if not isinstance(tau_prior, HalfNormal):
        raise InputError(
            f"tau_prior = {tau_prior!r}: a sampled model has a half-normal prior for tau, "
            "for example HalfNormal(0.5)"
        )
    return {"tau_prior": tau_prior.describe(), "mu_prior": mu_prior.describe() if mu_prior else "flat"}


def check_normal(name: str, prior: object) -> None:
    """Raise a ``PriorError`` for anything but a normal prior."""
    if not isinstance(prior, Normal):
        raise PriorError(f"{name} = {prior!r} is no normal prior; give Normal(mean, sd), for example Normal(0, 1)")


@dataclass(frozen=True, slots=True)
class Told:
    """What only the model knows about its fit; the rest of a summary is the same for every model."""

    model: str
    method: str
    options: Mapping[str, str | float]
    shares: tuple[Share, Share]
    q: QTest
    prediction: Prediction
    weights: tuple[float, ...]
    tau2_method: str = "posterior mean of tau2"
    warnings: tuple[str, ...] = field(default_factory=tuple)


def summary(found: Sampled[Draws], told: Told) -> Fit:
    """Return the fit of sampled draws."""
    draws, level = found.draws, found.run.level
    i2, h2 = told.shares
    return Fit(
        model=found.run.model or told.model,
        method=told.method,
        options=options_of(told.options, found.run),
        k=draws.theta.shape[-1],
        mu=estimate(draws.mu.ravel(), level),
        tau2=squared(draws.tau.ravel(), told.tau2_method, level),
        tau=estimate(draws.tau.ravel(), level),
        i2=i2.value,
        h2=h2.value,
        i2_share=i2,
        h2_share=h2,
        q=told.q,
        prediction=told.prediction,
        weights=told.weights,
        studies=tuple(study_estimate(draws.theta[..., i].ravel(), level) for i in range(draws.theta.shape[-1])),
        diagnostics=found.diagnostics,
        warnings=(*told.warnings, *distrust(found.diagnostics)),
    )


def options_of(options: Mapping[str, str | float], run: Run) -> dict[str, str | float]:
    """Return the options of a fit: its own, how it was sampled, and at which attempt."""
    return {**options, "level": run.level, "sampler": "nutpie", **run.settings(), "attempts": run.attempts}


def squared(tau: Vector, method: str, level: float) -> Heterogeneity:
    """Return tau squared, from draws of tau of shape (n,)."""
    e = estimate(tau**2, level)
    return Heterogeneity(e.value, e.se, e.low, e.high, method, "equal-tailed credible interval", level)


def distrust(diagnostics: Diagnostics) -> tuple[str, ...]:
    """Return the warning of a fit whose sampler did not pass."""
    return () if diagnostics.converged else ("The sampler did not pass its checks; do not use this fit.",)


def estimate(values: Vector, level: float) -> Estimate:
    """Return mean, standard deviation, median and both intervals of draws, shape (n,)."""
    low, high = _ends(values, level)
    return Estimate(
        value=float(values.mean()),
        se=float(values.std(ddof=1)),
        low=low,
        high=high,
        level=level,
        median=float(np.median(values)),
        shortest=_shortest(values, level),
    )


def _ends(values: Vector, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)


def _shortest(values: Vector, level: float) -> tuple[float, float]:
    ordered = np.sort(values)
    span = min(math.ceil(level * len(ordered)), len(ordered) - 1)
    first = int(np.argmin(ordered[span:] - ordered[: len(ordered) - span]))
    return float(ordered[first]), float(ordered[first + span])


def study_estimate(values: Vector, level: float) -> StudyEstimate:
    """Return mean, standard deviation and equal-tailed interval of the draws of one true effect, shape (n,)."""
    low, high = _ends(values, level)
    return StudyEstimate(float(values.mean()), float(values.std(ddof=1)), low, high)


def normal_prediction(mu: NDArray[np.float64], tau: NDArray[np.float64], level: float) -> Prediction:
    """Return the predictive interval of a new study that is normal given draws of mu and tau of one shape."""
    # The mixture over the draws needs no further random numbers.
    each = np.full(tau.size, 1.0 / tau.size)
    mixture = Mixtures(each, mu.reshape(1, -1), tau.reshape(1, -1))
    low, high = (float(mixture.quantile(p)[0]) for p in ((1.0 - level) / 2.0, (1.0 + level) / 2.0))
    return Prediction(low, high, None, "posterior predictive", level)


def average_weights(variance: NDArray[np.float64], mu_prior: Normal | None) -> tuple[float, ...]:
    """Return each study's expected share in the mean of mu, the prior's share left out.

    Parameters
    ----------
    variance : ndarray, shape (n, k)
        Variance of each study about mu at each draw: its sampling variance and that of its random effect.
    mu_prior : Normal or None
        Prior of mu; ``None`` is flat.
    """
    precision = 1.0 / variance
    total = precision.sum(axis=1) + (1.0 / mu_prior.sd**2 if mu_prior else 0.0)
    share = (precision / total[:, None]).mean(axis=0)
    return tuple(float(w) for w in share / share.sum())
