"""The gate of a sampled fit: its sampler and the exact fit of the same model decide what may be printed."""

from __future__ import annotations

import math

from k2meta.models.errors import InputError
from k2meta.models.fit import Fit

RHAT_BELOW = 1.01
ESS_AT_LEAST = 1000.0
EBFMI_ABOVE = 0.3
MCSE_ALLOWED = 4.0
"""Monte Carlo standard errors by which a sampled mean may differ from the exact one."""


def checks(fit: Fit) -> tuple[str, ...]:
    """Return which checks a sampled fit fails, in sentences; nothing when it may be printed.

    Raises
    ------
    InputError
        When ``fit`` was not sampled.
    """
    d = fit.diagnostics
    if d.rhat is None:
        raise InputError(f"{fit.method}: not a sampled fit, there is nothing to gate")
    missing = math.nan
    return failures(
        d.rhat,
        missing if d.ess_bulk is None else d.ess_bulk,
        missing if d.ess_tail is None else d.ess_tail,
        missing if d.divergences is None else d.divergences,
        missing if d.ebfmi is None else d.ebfmi,
    )


def failures(rhat: float, bulk: float, tail: float, divergences: float, ebfmi: float) -> tuple[str, ...]:
    """Return what is wrong with a sampler, in sentences; a diagnosis that is missing (NaN) fails."""
    said = []
    if math.isnan(divergences):
        said.append("Divergent transitions were not counted.")
    elif divergences:
        said.append(f"{divergences} divergent transitions.")
    if not rhat < RHAT_BELOW:
        said.append(f"R-hat is {rhat:.4f}, not below {RHAT_BELOW}.")
    if not min(bulk, tail) >= ESS_AT_LEAST:
        said.append(f"Effective sample size is {bulk:.0f} (bulk) and {tail:.0f} (tail), below {ESS_AT_LEAST:.0f}.")
    if not ebfmi > EBFMI_ABOVE:
        said.append(f"E-BFMI is {ebfmi:.2f}, not above {EBFMI_ABOVE}.")
    return tuple(said)


def gate(fit: Fit, exact: Fit) -> tuple[str, ...]:
    """Return what is wrong with a sampled fit, in sentences; nothing when it may stand beside the exact one.

    Parameters
    ----------
    fit : Fit
        A sampled fit.
    exact : Fit
        The same model by quadrature. The means of mu and tau may differ by four Monte Carlo standard errors.

    Raises
    ------
    InputError
        When ``fit`` was not sampled.
    """
    said, d = list(checks(fit)), fit.diagnostics
    for name, ours, theirs, mcse in (
        ("mu", fit.mu.value, exact.mu.value, d.mcse_mu),
        ("tau", fit.tau.value, exact.tau.value, d.mcse_tau),
    ):
        allowed = MCSE_ALLOWED * (mcse or 0.0)
        if not abs(ours - theirs) <= allowed:
            said.append(
                f"The sampled mean of {name} is {ours:.6g}, the exact one {theirs:.6g}: "
                f"more than {MCSE_ALLOWED:g} Monte Carlo standard errors ({allowed:.2g}) apart."
            )
    return tuple(said)
