"""Routes to the change inside the active arm: descriptive, never a treatment effect.

The same cells as in ``k2meta.effects.routes``, one arm of them. `ARM_ROUTES` is tried from the top.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from k2meta.effects.errors import EffectError
from k2meta.effects.recover import se_from_ci, se_from_p
from k2meta.effects.routes import Derived, Printed


def active_sd(printed: Printed) -> Derived | None:
    """Mean change of the active arm with its SD and n."""
    if not printed.has("change_mean_treat", "change_sd_treat") or printed.n1 is None:
        return None
    mean, sd = printed["change_mean_treat"], printed["change_sd_treat"]
    step = f"change {mean:.6g} (SD {sd:.6g}) in the active arm; variance SD²/n, n {printed.n1:g}"
    return Derived(mean, sd**2 / printed.n1, (step,), True)


def active_se(printed: Printed) -> Derived | None:
    """Mean change of the active arm with its standard error."""
    if not printed.has("change_mean_treat", "change_se_treat"):
        return None
    mean, se = printed["change_mean_treat"], printed["change_se_treat"]
    return Derived(mean, se**2, (f"change {mean:.6g} (SE {se:.6g}) in the active arm",), False)


def active_ci(printed: Printed) -> Derived | None:
    """Mean change of the active arm with its 95 % interval and n (t distribution)."""
    if not printed.has("change_mean_treat", "change_ci_low_treat", "change_ci_high_treat") or printed.n1 is None:
        return None
    mean, low, high = (printed[f"change_{cell}_treat"] for cell in ("mean", "ci_low", "ci_high"))
    se = se_from_ci(low, high, df=printed.n1 - 1)
    step = f"change {mean:.6g} ({low:.6g} to {high:.6g}) in the active arm; SE by t(n − 1): {se:.6g}"
    return Derived(mean, se**2, (step,), True)


def active_p(printed: Printed) -> Derived | None:
    """Mean changes of both arms with the p value between them; one SD is taken to hold in both arms."""
    names = ("change_mean_treat", "change_mean_ctrl", "p_value")
    if not printed.has(*names) or printed.n1 is None or printed.n2 is None or printed.diff_measure:
        return None
    m1, m2, p = (printed[name] for name in names)
    se = se_from_p(m1 - m2, p, df=printed.n1 + printed.n2 - 2)
    sd = se / math.sqrt(1 / printed.n1 + 1 / printed.n2)
    steps = (
        f"changes {m1:.6g} and {m2:.6g}, p = {p:.6g} between the arms by a t test: SD {sd:.6g} in each arm",
        f"change {m1:.6g} in the active arm; variance SD²/n, n {printed.n1:g}",
    )
    assumed = (
        "the spread of the change is taken to be the same in both arms and follows from the p value between them"
    )
    return Derived(m1, sd**2 / printed.n1, steps, True, assumed)


ARM_ROUTES: dict[str, Callable[[Printed], Derived | None]] = {
    "active_sd": active_sd,
    "active_se": active_se,
    "active_ci": active_ci,
    "active_p": active_p,
}


def derive_active_arm(printed: Printed) -> tuple[str, Derived] | None:
    """Return the name and the result of the first route to the change of the active arm, or ``None``."""
    if printed.scale != "raw":
        return None
    for name, route in ARM_ROUTES.items():
        try:
            found = route(printed)
        except EffectError:
            continue
        if found is not None and found.vi > 0:
            return name, found
    return None
