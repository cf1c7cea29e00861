"""The Bayesian normal-normal model sampled with PyMC: an independent witness for the quadrature.

The model is the full hierarchy with every theta_i, non-centred. It is compiled once per process and then serves
every analysis; fewer studies than it has room for are filled up with studies of precision zero.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.bayes_exact import conditional, expected_weights, posterior_shares
from k2meta.models.builder import (
    CHAINS,
    DRAWS,
    ROOM,
    TARGET_ACCEPT,
    TUNE,
    Draws,
    McmcResult,
    Run,
    Sampler,
    Sampling,
    Told,
    checked_priors,
    diagnose,
    estimate,
    mean_and_spread,
    normal_prediction,
    prior_data,
    sampled,
    standard_units,
    summary,
)
from k2meta.models.common_effect import cochran_q
from k2meta.models.gate import MCSE_ALLOWED, gate
from k2meta.models.inputs import checked
from k2meta.models.priors import HalfNormal, Normal

__all__ = [
    "CHAINS",
    "DRAWS",
    "MCSE_ALLOWED",
    "TARGET_ACCEPT",
    "TUNE",
    "Draws",
    "HierarchicalSampler",
    "McmcResult",
    "diagnose",
    "gate",
    "seed_for",
]


def seed_for(analysis: str, model: str, base_seed: int) -> int:
    """Return a 32-bit seed that depends on nothing but the two ids and the base seed."""
    text = f"{analysis}\n{model}\n{base_seed}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


class HierarchicalSampler(Sampler):
    """The compiled model: build it once, then :meth:`sample` every analysis of the process.

    Parameters
    ----------
    studies : int
        Most studies of one analysis. A larger analysis compiles again, with room for it.
    """

    def __init__(self, studies: int = ROOM) -> None:
        super().__init__(_normal_normal, ("mu", "tau", "z"), studies)

    def sample(
        self,
        yi: ArrayLike,
        vi: ArrayLike,
        *,
        tau_prior: HalfNormal,
        mu_prior: Normal | None = None,
        **sampling: Unpack[Sampling],
    ) -> McmcResult:
        """Return draws and their summary; the same seed gives the same draws.

        A divergence or an effective sample size below the gate is answered by one repetition with smaller steps
        and twice the draws; what it finds is final.

        Parameters
        ----------
        yi, vi : array_like, shape (k,)
            Effects and sampling variances, k >= 1.
        tau_prior : HalfNormal
            Prior of tau, in units of ``yi``.
        mu_prior : Normal or None
            Prior of mu; ``None`` is flat.
        **sampling
            ``seed``, and what may be left out: see :class:`~k2meta.models.builder.Sampling`.

        Raises
        ------
        InputError
            Unusable effects, variances, level or settings of the sampler.
        PriorError
            Something that is no prior, such as a bare number.
        """
        data, run = checked(yi, vi), Run(**sampling)
        options = checked_priors(tau_prior, mu_prior)
        centre, width = unit = standard_units(data.yi, data.vi, tau_prior.scale)
        compiled = self._model.with_data(
            data.k,
            prior_data(unit, data.shift, tau_prior, mu_prior),
            effect=((data.yi - centre) / width, 0.0),
            precision=(width / np.sqrt(data.vi), 0.0),
        )

        def read(kept: Mapping[str, Any]) -> Draws:
            mu, tau = kept["mu"] * width + centre, kept["tau"] * tau_prior.scale
            theta = mu[..., None] + tau[..., None] * kept["z"][..., : data.k]
            return Draws(mu + data.shift, tau, theta + data.shift, kept["energy"], kept["diverging"])

        found = sampled(compiled, run, read)
        # The prior's mean moves no weight between studies.
        tau = found.draws.tau.ravel()
        given = conditional(data.yi, data.vi, tau, mu_prior)
        told = Told(
            model="bayes_mcmc",
            method="Bayesian random effects, sampled (NUTS, non-centred)",
            options=options,
            shares=posterior_shares(data.vi, estimate(tau, run.level)),
            q=cochran_q(data),
            prediction=normal_prediction(found.draws.mu, found.draws.tau, run.level),
            weights=expected_weights(np.full(tau.size, 1.0 / tau.size), given),
        )
        return McmcResult(summary(found, told), found.draws)


def _normal_normal(studies: int) -> Any:
    import pymc as pm

    with pm.Model(coords={"study": np.arange(studies)}) as model:
        effect = pm.Data("effect", np.zeros(studies), dims="study")
        precision = pm.Data("precision", np.ones(studies), dims="study")
        mu, tau, tau_scale = mean_and_spread()
        z = pm.Normal("z", 0.0, 1.0, dims="study")
        theta = mu + tau_scale * tau * z
        # As a potential, because a precision of zero is wanted: nothing is seen of a filler study.
        pm.Potential("likelihood", -0.5 * ((precision * (effect - theta)) ** 2).sum())
    return model
