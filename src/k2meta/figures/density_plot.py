"""Prior and posterior: what the model believes of the mean effect and of the heterogeneity.

All are exact: mu and the true effect in a new study are the fit's mixtures of normals over tau, the posterior of
tau is the density at the fit's nodes. Beneath the curves stand the credible intervals, for comparison the
frequentist ones, and the prediction interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from k2meta.figures import words
from k2meta.figures.axis import draw_axis, draw_directions, lanes
from k2meta.figures.figure import Figure, PlotData
from k2meta.figures.forest_marks import bar
from k2meta.figures.scale import Scale, limits
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import BODY, DISPLAY, ESTIMATE, INK, MUTED, PREDICTION, PRIOR, SMALL, WIDTH, rc
from k2meta.figures.text import elided, legible, width, wrapped
from k2meta.numbers import coverage

if TYPE_CHECKING:
    from k2meta.analysis import Analysis, Spec
    from k2meta.models.fit import Fit, Posterior, Prediction

Array = NDArray[np.float64]
Density = Callable[[Array], Array]

MARGIN = 8.0
LABELS = 112.0
"""Room for the labels at the left, in points."""
MU, TAU = (MARGIN + LABELS + 10, 322.0), (352.0, WIDTH - MARGIN - 4)
"""Left and right edge of the two panels, in points."""
TALL = 104.0
"""Height of the higher curve, in points."""
PITCH = 1.3 * SMALL
SHADE, DEEPER = "#CCE3F0", "#8FC1DE"
"""Fills under the posterior: on the side of benefit, and beyond the first reference line."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A density over a grid: ``x`` in units of the analysis, ``y`` per such unit."""

    name: str
    x: Array
    y: Array


def draw(analysis: Analysis, prior_density: Density | None = None) -> Figure:
    """Draw the posterior of the mean effect, and prior and posterior of tau.

    Parameters
    ----------
    analysis : Analysis
        Without a fit that carries an exact posterior the figure says so, and draws nothing.
    prior_density : callable, optional
        Density of the prior of tau at an array of values of tau, per unit of tau; left out where ``None``.
    """
    with rc():
        sheet = Sheet(WIDTH)
        fit = words.bayesian(analysis)
        y = MARGIN + 0.78 * DISPLAY
        for line in wrapped(legible(analysis.spec.title), DISPLAY, WIDTH - 2 * MARGIN, "bold", lines=2):
            sheet.text(MARGIN, y, line, size=DISPLAY, weight="bold")
            y += 1.35 * DISPLAY
        if fit is None or fit.posterior is None:
            text = "One trial: not pooled, no posterior." if analysis.k == 1 else "No posterior to show."
            sheet.text(MARGIN, y, text)
            return Figure(sheet.finish(y + MARGIN), f"{text} {words.summary(analysis)}", PlotData(_COLUMNS, ()))
        mu, new = _mu_curves(analysis, fit, fit.posterior)
        taus = _tau_curves(fit, fit.posterior, prior_density)
        figure = sheet.finish(_panels(sheet, analysis, fit, (mu, new), taus, y) + MARGIN)
    return Figure(figure, _alt(analysis, fit), _data((mu, new, *taus)))


def _mu_curves(analysis: Analysis, fit: Fit, posterior: Posterior) -> tuple[Curve, Curve]:
    """Return the density of mu, and that of the true effect in a new study, which varies by tau around mu."""
    low, high = _mu_limits(analysis, fit)
    x = np.linspace(low, high, 401)
    mean, weight = np.asarray(posterior.mu_mean), np.asarray(posterior.weight)
    sd = np.asarray(posterior.mu_sd)

    def density(spread: Array) -> Array:
        z = (x[:, None] - mean) / spread
        return np.asarray(np.exp(-0.5 * z**2) / (spread * math.sqrt(2 * math.pi)) @ weight)

    wider = np.hypot(sd, np.asarray(posterior.tau))
    return Curve("posterior of mu", x, density(sd)), Curve("new study", x, density(wider))


def _mu_limits(analysis: Analysis, fit: Fit) -> tuple[float, float]:
    # Four standard deviations of a normal are about twice its 95 % interval.
    mu = fit.mu
    tails = (mu.low - 0.4 * (mu.high - mu.low), mu.high + 0.4 * (mu.high - mu.low))
    other = words.frequentist(analysis)
    bars = [tails] if other is None else [tails, tails, (other.mu.low, other.mu.high)]
    if fit.prediction is not None:
        bars.append((fit.prediction.low, fit.prediction.high))
    return limits([mu.value], bars, [line.value for line in analysis.spec.lines])


def _tau_curves(fit: Fit, posterior: Posterior, prior_density: Density | None) -> tuple[Curve, ...]:
    from scipy.interpolate import PchipInterpolator

    top = 1.35 * fit.tau.high
    x = np.linspace(top / 400, top, 400)
    nodes, density = np.asarray(posterior.tau), np.asarray(posterior.density)
    inside = np.clip(x, nodes[0], nodes[-1])
    curves = [Curve("posterior of tau", x, np.asarray(PchipInterpolator(nodes, density)(inside)))]
    if prior_density is not None:
        curves.append(Curve("prior of tau", x, np.asarray(prior_density(x), dtype=float)))
    return tuple(curves)


def _panels(
    sheet: Sheet, analysis: Analysis, fit: Fit, mus: tuple[Curve, Curve], taus: tuple[Curve, ...], y: float
) -> float:
    mu, new = mus
    scale = Scale(float(mu.x[0]), float(mu.x[-1]), *MU)
    labels = lanes(analysis.spec.lines, scale)
    sheet.text(
        MU[0], y, elided(legible(words.measure(analysis.spec)), SMALL, MU[1] - MU[0]), size=SMALL, colour=MUTED
    )
    noun = words.study_name(analysis.spec).lower()
    sheet.text(TAU[0], y, f"Between-{noun} standard deviation τ", size=SMALL, colour=MUTED)
    first = y + 1.7 * SMALL
    base = first + max((label.lane for label in labels), default=0) * PITCH
    top = base + 5
    floor = top + TALL + 4
    bottom = _bars(sheet, analysis, fit, scale, _tau_scale(taus), floor)
    _density_labels(sheet, analysis, fit, top)
    _shaded(sheet, analysis, mu, scale, floor)
    sheet.curve(*_drawn(new, mu, scale, floor), colour=PREDICTION, dash=(2.5, 1.2), gid="new-study")
    sheet.line((scale.x(0.0), top - 2), (scale.x(0.0), bottom), z=1, gid="zero")
    for label in labels:
        up = base - label.lane * PITCH
        sheet.text(label.x, up, label.text, size=SMALL, colour=MUTED)
        x = scale.x(label.value)
        sheet.line((x, up + 2.5), (x, bottom), colour=MUTED, dash=(4, 3), z=1.8, gid="line")
    _tau_panel(sheet, taus, floor, top)
    lower = draw_axis(sheet, scale, analysis.spec.measure, bottom) + 1.6 * SMALL
    draw_axis(sheet, _tau_scale(taus), "MD", bottom)
    lower = draw_directions(sheet, scale, analysis.spec, lower, MARGIN, WIDTH - MARGIN) + 4
    for text in (_told(analysis), *words.heterogeneity(analysis)):
        for line in wrapped(text, SMALL, WIDTH - 2 * MARGIN):
            lower += PITCH
            sheet.text(MARGIN, lower, line, size=SMALL)
    return lower + 0.3 * SMALL


def _tau_scale(taus: tuple[Curve, ...]) -> Scale:
    return Scale(0.0, float(taus[0].x[-1]), *TAU)


def _density_labels(sheet: Sheet, analysis: Analysis, fit: Fit, top: float) -> None:
    """Say at the left what is drawn and how much of it lies below zero and beyond each reference line."""
    spec = analysis.spec
    y = top + 0.78 * BODY
    for line in wrapped("Posterior of the mean effect", BODY, LABELS):
        sheet.text(MARGIN, y, line, colour=ESTIMATE)
        y += 1.3 * BODY
    y += 3
    fills = (SHADE, DEEPER)
    for i, (at, beyond) in enumerate(_regions(spec)[:5]):
        if i < len(fills):
            sheet.polygon([(MARGIN, y - 6), (MARGIN + 7, y - 6), (MARGIN + 7, y), (MARGIN, y)], fill=fills[i])
        text = f"{_event(spec, at, beyond)} {words.probability(_chance(fit, at, beyond))}"
        sheet.text(MARGIN + 10, y, elided(text, SMALL, LABELS - 10), size=SMALL)
        y += PITCH
    y += 3
    sheet.line((MARGIN, y - 3), (MARGIN + 16, y - 3), colour=PREDICTION, width=1.2, dash=(2.5, 1.2))
    text = "a new cohort" if spec.source == "cohorts" else "true effect in a new trial"
    sheet.text(MARGIN + 20, y, elided(text, SMALL, LABELS - 20), size=SMALL, colour=MUTED)
    if said := _mu_prior(fit):
        # A flat one has no density to draw; the density of a normal one is not drawn either, so it is told.
        for line in wrapped(legible(said), SMALL, LABELS, lines=2):
            y += PITCH
            sheet.text(MARGIN, y, line, size=SMALL, colour=MUTED, gid="mu-prior")


def _regions(spec: Spec) -> list[tuple[float, bool]]:
    """Return where the regions begin whose probability is said, and whether they lie above that value."""
    benefit = (0.0, not spec.lower_is_better)
    return [benefit, *((line.value, line.value > 0) for line in spec.lines)]


def _chance(fit: Fit, at: float, above: bool) -> float:
    below = fit.prob(mu_below=at)
    return 1 - below if above else below


def _event(spec: Spec, at: float, above: bool) -> str:
    value = words.shown(spec.measure, at)
    return f"P(μ {'>' if above else '<'} {words.short(value, 3) if at else words.written(value, 0)})"


def _told(analysis: Analysis) -> str:
    """Say what the probabilities are of, and that they rest on the model and its prior."""
    spec = analysis.spec
    mean = "average ratio" if spec.measure == "LOGRATIO" else "mean effect"
    parts: list[str] = []
    for at, above in _regions(spec)[:3]:
        value = "zero" if at == 0 and spec.measure != "LOGRATIO" else words.short(words.shown(spec.measure, at), 3)
        whose = "that it is" if parts else f"the probability that the {mean} is"
        given = "" if parts else ", given this model and prior"
        parts.append(f"{_event(spec, at, above)}: {whose} {'above' if above else 'below'} {value}{given}")
    return legible(f"{'; '.join(parts)}.")


def _drawn(curve: Curve, tallest: Curve, scale: Scale, floor: float) -> tuple[list[float], list[float]]:
    """Return a curve in points, on the height that lets the tallest of its panel reach the top."""
    top = float(tallest.y.max())
    return [scale.x(float(x)) for x in curve.x], [floor - TALL * float(y) / top for y in curve.y]


def _shaded(sheet: Sheet, analysis: Analysis, mu: Curve, scale: Scale, floor: float) -> None:
    xs, ys = _drawn(mu, mu, scale, floor)
    for (at, above), fill, gid in zip(
        _regions(analysis.spec), (SHADE, DEEPER), ("benefit", "beyond"), strict=False
    ):
        if not scale.shows(at):
            continue
        edge = (scale.x(at), float(np.interp(scale.x(at), xs, ys)))
        inside = [(x, y) for x, y in zip(xs, ys, strict=True) if (x > edge[0] if above else x < edge[0])]
        if inside:
            upper = [edge, *inside] if above else [*inside, edge]
            sheet.polygon([(upper[0][0], floor), *upper, (upper[-1][0], floor)], fill=fill, gid=gid, z=1.5)
    sheet.curve(xs, ys, colour=ESTIMATE, gid="posterior-mu")
    sheet.line((scale.left, floor), (scale.right, floor), width=0.4, colour=MUTED)


def _bars(sheet: Sheet, analysis: Analysis, fit: Fit, scale: Scale, taus: Scale, floor: float) -> float:
    """Draw the intervals beneath the curves, credible first, and return where the axis stands."""
    y = floor + 6
    other = words.frequentist(analysis)
    for drawn, colour, gid in ((fit, ESTIMATE, "credible"), (other, INK, "confidence")):
        if drawn is None:
            continue
        name, _ = words.method(drawn)
        value = words.estimate(analysis.spec, drawn.mu, words.interval_name(drawn), words.decimals(analysis))
        shown = value.partition(" (")[0].replace(words.unit(analysis.spec), "")
        ends = words.interval(analysis.spec.measure, drawn.mu.low, drawn.mu.high, words.decimals(analysis))
        texts = (legible(name), words.interval_name(drawn), f"{shown} ({ends})")
        for i, text in enumerate(texts):
            sheet.text(MARGIN, y + (i + 1) * PITCH, elided(text, SMALL, LABELS), size=SMALL, colour=colour)
        middle = y + 2 * PITCH - 0.36 * SMALL
        bar(sheet, scale, middle, drawn.mu.low, drawn.mu.high, colour, 2.2, gid)
        sheet.marker(scale.x(drawn.mu.value), middle, 6.0, shape="o", colour=colour, gid=f"{gid}-point")
        tau_ends = _tau_interval(drawn)
        if tau_ends is not None:
            bar(sheet, taus, middle, *tau_ends, colour, 2.2, f"{gid}-tau")
            point = drawn.tau.median if drawn.tau.median is not None else drawn.tau.value
            sheet.marker(taus.x(point), middle, 6.0, shape="o", colour=colour, gid=f"{gid}-tau-point")
        y += 3 * PITCH + 5
    if fit.prediction is not None:
        y = _new_study(sheet, analysis, fit.prediction, scale, y)
    return y + 4


def _new_study(sheet: Sheet, analysis: Analysis, prediction: Prediction, scale: Scale, y: float) -> float:
    """Draw the interval of the true effect in a new study and return the lower edge of its row."""
    ends = words.interval(analysis.spec.measure, prediction.low, prediction.high, words.decimals(analysis))
    noun = words.study_name(analysis.spec).lower()
    for i, text in enumerate(
        (f"{coverage(prediction.level)} prediction interval", f"a new {noun}, Bayesian", ends)
    ):
        sheet.text(MARGIN, y + (i + 1) * PITCH, elided(text, SMALL, LABELS), size=SMALL, colour=MUTED)
    bar(sheet, scale, y + 2 * PITCH - 0.36 * SMALL, prediction.low, prediction.high, PREDICTION, 2.2, "prediction")
    return y + 3 * PITCH + 5


def _tau_interval(fit: Fit) -> tuple[float, float] | None:
    if words.is_bayesian(fit):
        return fit.tau.low, fit.tau.high
    low, high = fit.tau2.low, fit.tau2.high
    return None if low is None or high is None else (math.sqrt(low), math.sqrt(high))


def _tau_panel(sheet: Sheet, taus: tuple[Curve, ...], floor: float, top: float) -> None:
    scale = _tau_scale(taus)
    # A prior with a pole at zero must not flatten the posterior: curves are cut at one and a half times its top.
    peak = 1.5 * float(taus[0].y.max())
    highest = min(peak, max(float(curve.y[np.isfinite(curve.y)].max()) for curve in taus))
    drawn = []
    for curve, colour, dash in zip(taus, (ESTIMATE, PRIOR), (None, (5.0, 2.0)), strict=False):
        keep = np.isfinite(curve.y) & (curve.y <= highest * (1 + 1e-9))
        xs = np.array([scale.x(float(value)) for value in curve.x[keep]])
        ys = floor - TALL * curve.y[keep] / highest
        sheet.curve(xs.tolist(), ys.tolist(), colour=colour, dash=dash, gid=curve.name.replace(" ", "-"))
        drawn.append((xs, ys))
    sheet.line((scale.left, floor), (scale.right, floor), width=0.4, colour=MUTED)
    # The prior's words would be pale in its own colour; which curve is meant does not rest on colour anyway.
    named = (("posterior", ESTIMATE), ("prior (dashed)", MUTED))
    boxes: list[tuple[float, float, float, float]] = []
    for (xs, ys), (label, colour) in zip(drawn, named, strict=False):
        x, y = _beside(xs, ys, drawn, boxes, label, top)
        boxes.append((x, x + width(label, SMALL), y - SMALL, y + 2))
        sheet.text(x, y, label, size=SMALL, colour=colour, gid="curve-label")


def _beside(
    xs: Array,
    ys: Array,
    drawn: list[tuple[Array, Array]],
    boxes: list[tuple[float, float, float, float]],
    label: str,
    top: float,
) -> tuple[float, float]:
    """Return where a label stands closest to its curve, clear of every curve and of the labels set before it."""
    wide = width(label, SMALL)
    others = [(x, y) for x, y in drawn if x is not xs]
    for away in (4.0, 8.0, 14.0, 22.0, 32.0, 44.0):
        for at in range(len(xs) // 12, len(xs), 6):
            x, y = float(xs[at]) + away, float(ys[at]) - 0.5 * away
            box = (x, x + wide, y - SMALL, y + 2)
            if box[1] > TAU[1] + 4 or box[2] < top - 2 or any(_meet(box, other) for other in boxes):
                continue
            if any(_crosses(box, *curve) for curve in drawn):
                continue
            if all(1.5 * _distance(x, y, xs, ys) < _distance(x, y, *curve) for curve in others):
                return x, y
    return TAU[1] - wide, top + SMALL + len(boxes) * PITCH


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


def _crosses(box: tuple[float, float, float, float], xs: Array, ys: Array) -> bool:
    left, right, low, high = box
    inside = (xs >= left - 2) & (xs <= right + 2) & (ys >= low - 2) & (ys <= high + 1)
    return bool(inside.any())


def _distance(x: float, y: float, xs: Array, ys: Array) -> float:
    return float(np.hypot(xs - x, ys - y).min())


def _alt(analysis: Analysis, fit: Fit) -> str:
    spec = analysis.spec
    chances = [
        f"{_event(spec, at, above)} {words.probability(_chance(fit, at, above))}" for at, above in _regions(spec)
    ]
    tau = " ".join(words.heterogeneity(analysis)[-1:])
    prior = f"{_mu_prior(fit)}." if _mu_prior(fit) else ""
    return " ".join(
        filter(None, ("Posterior and prior.", words.summary(analysis, fit), f"{'; '.join(chances)}.", prior, tau))
    )


def _mu_prior(fit: Fit) -> str:
    """Name the prior of the mean."""
    prior = fit.options.get("mu_prior")
    return "" if prior is None else f"Prior of the mean: {prior}"


_COLUMNS = ("curve", "x", "density")


def _data(curves: tuple[Curve, ...]) -> PlotData:
    return PlotData(
        _COLUMNS,
        tuple((curve.name, float(x), float(y)) for curve in curves for x, y in zip(curve.x, curve.y, strict=True)),
    )
