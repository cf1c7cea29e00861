"""Figures without a pipeline: effects, or a fit, to the ``Analysis`` that a figure is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from k2meta.analysis import Analysis, Spec
from k2meta.models.bayes_exact import bayes_random_effects
from k2meta.models.errors import InputError
from k2meta.models.fit import Fit
from k2meta.models.inputs import checked
from k2meta.models.priors import TauPrior
from k2meta.models.random_effects import random_effects
from k2meta.models.subgroups import subgroups
from k2meta.refits import Refits, by_subgroup
from k2meta.types import Effect

if TYPE_CHECKING:
    from k2meta.figures.figure import Figure

Measure = Literal["MD", "SMD", "LOGRATIO"]


def forest(
    effects: Fit | ArrayLike,
    vi: ArrayLike | None = None,
    *,
    labels: Sequence[str] | None = None,
    measure: Measure = "MD",
    unit: str = "",
    favours: tuple[str, str] | None = None,
    title: str = "",
    lower_is_better: bool = True,
    n_treat: Sequence[float | None] | None = None,
    n_ctrl: Sequence[float | None] | None = None,
    groups: Sequence[str] | None = None,
    grouped_by: str = "subgroup",
    tau_prior: TauPrior | None = None,
    level: float = 0.95,
    preset: str = "cochrane",
    columns: Sequence[str] | None = None,
) -> Figure:
    """Draw a forest plot of effects, or of a fit, in a notebook or a script.

    Parameters
    ----------
    effects : Fit or array_like, shape (k,)
        A fit of ``random_effects``, ``common_effect`` or ``bayes_random_effects``, which brings its effects; or
        effects yi, which are then pooled by random effects with the defaults of the package. Ratios are on the
        log scale.
    vi : array_like, shape (k,)
        Sampling variances, in squared units of yi; needed with effects, not allowed with a fit.
    labels : sequence of str, length k
        Any text, also repeated or empty; without it the studies are numbered.
    measure : {"MD", "SMD", "LOGRATIO"}
        What yi is; ``LOGRATIO`` is drawn as a ratio on a log axis.
    unit : str
        Unit beside every mean difference, or the name of a ratio, such as ``"risk ratio"``.
    favours : (str, str), optional
        Whom values below and above zero favour; without it the axis says treatment and control.
    title : str
        Heading of the figure.
    lower_is_better : bool
        Whether values below zero are good; it sets the words for the two ends where ``favours`` is left out.
    n_treat, n_ctrl : sequence of float, length k, optional
        People in each arm.
    groups : sequence of str, length k, optional
        Subgroup of each study: each gets a diamond, from a model with one tau2 for all, and the test between them
        is printed.
    grouped_by : str
        What ``groups`` are, in words.
    tau_prior : TauPrior, optional
        Adds the exact Bayesian fit with this prior and a flat prior of the mean, and its shrunken estimates.
    level : float
        Coverage of the intervals of the studies, and of the models fitted here.
    preset : str
        A key of ``k2meta.figures.PRESETS``.
    columns : sequence of str, optional
        Columns to the right of the labels, from left to right, instead of those of the preset.

    Returns
    -------
    Figure
        Shows itself in a notebook; ``.figure`` is the matplotlib figure, ``.alt`` its words, ``.table`` its data.

    Raises
    ------
    InputError
        Unusable effects or variances, something of another length, a fit without its effects, or a fit together
        with variances.
    """
    from k2meta.figures import forest as draw

    if isinstance(effects, Fit):
        if vi is not None:
            raise InputError("vi is given with a fit, which has its own; leave it out")
        if len(effects.yi) != effects.k:
            raise InputError(f"{effects.method}: the fit does not carry its effects; give yi and vi")
        yi, variances, fits = effects.yi, effects.vi, {effects.model: effects}
        level = effects.mu.level
    else:
        yi, variances = _numbers(effects, vi)
        fits = {}
        if len(yi) > 1:
            fits = {"random_effects": random_effects(yi, variances, level=level)}
    lead = next(iter(fits), "")
    if tau_prior is not None and len(yi) > 1:
        fits = {**fits, "bayes": bayes_random_effects(yi, variances, tau_prior=tau_prior, level=level)}
    k = len(yi)
    for name, given in (("labels", labels), ("n_treat", n_treat), ("n_ctrl", n_ctrl), ("groups", groups)):
        if given is not None and len(given) != k:
            raise InputError(f"{name} has {len(given)} values for {k} studies; one belongs to each")
    grouped = None
    if groups is not None and k:
        grouped = by_subgroup(subgroups(yi, variances, groups, level=level), grouped_by)
    analysis = Analysis(
        spec=_spec(measure, unit, favours, title, lower_is_better),
        effects=_effects(yi, variances, labels, measure, unit, n_treat, n_ctrl),
        dropped=(),
        queries=(),
        fits=fits if k > 1 else {},
        lead=lead,
        beside="bayes" if "bayes" in fits else lead,
        leave_one_out=(),
        comparisons=(),
        level=level,
        refits=Refits(subgroups=grouped),
    )
    return draw(analysis, preset=preset, columns=columns)


def _numbers(effects: Any, vi: ArrayLike | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if vi is None:
        raise InputError("vi is missing: effects are drawn with their sampling variances")
    yi, variances = np.asarray(effects, dtype=float), np.asarray(vi, dtype=float)
    if yi.size or variances.size:
        checked(yi, variances)
    return tuple(yi.tolist()), tuple(variances.tolist())


def _spec(measure: Measure, unit: str, favours: tuple[str, str] | None, title: str, lower: bool) -> Spec:
    low, high = favours or (("treatment", "control") if lower else ("control", "treatment"))
    return Spec(
        id="alone",
        title=title,
        question="",
        source="trials",
        outcomes=(),
        measure=measure,
        unit=unit,
        lower_is_better=lower,
        favours_low=low,
        favours_high=high,
        where={},
        caveat="",
        lines=(),
        patient_sd=None,
        headline=False,
        scale_note="",
    )


def _effects(
    yi: Sequence[float],
    vi: Sequence[float],
    labels: Sequence[str] | None,
    measure: Measure,
    unit: str,
    n_treat: Sequence[float | None] | None,
    n_ctrl: Sequence[float | None] | None,
) -> tuple[Effect, ...]:
    return tuple(
        Effect(
            study_id=f"study {i + 1}",
            label=f"Study {i + 1}" if labels is None else str(labels[i]),
            yi=yi[i],
            vi=vi[i],
            measure=measure,
            n_treat=None if n_treat is None else n_treat[i],
            n_ctrl=None if n_ctrl is None else n_ctrl[i],
            route="",
            extraction_id="",
            derivation=(),
            assumptions=(),
            outcome="",
            unit=unit,
            months=None,
            intervention="",
            population="",
            source_tier="",
            source_locator="",
            source_url="",
            reference="",
        )
        for i in range(len(yi))
    )
