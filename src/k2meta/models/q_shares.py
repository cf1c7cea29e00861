"""I2 and H2 as Cochran's Q defines them, with the test-based interval of Higgins and Thompson (2002)."""

from __future__ import annotations

import math

from k2meta.models.fit import Share
from k2meta.models.intervals import critical

I2_NAME, H2_NAME = "max(0, 100 (Q - df) / Q)", "Q / df"


def q_based_shares(q: float, df: int, level: float = 0.95) -> tuple[Share, Share]:
    """Return the Q-based I2 (in percent) and H2, each with its test-based interval.

    Parameters
    ----------
    q : float
        Cochran's Q.
    df : int
        Its degrees of freedom, k - 1.
    level : float
        Coverage.

    Returns
    -------
    tuple of Share
        I2 = max(0, 100 (Q - df) / Q) and H2 = Q / df, whose limits are exp(ln H2 ± 2 z SE(ln H)). Limits are
        ``None`` for one study, for two studies with Q <= k and for Q = 0, where ln H has no standard error;
        limits of H2 below one are set to one.
    """
    i2 = 100.0 * (q - df) / q if q > df else 0.0
    h2 = q / df if df else 1.0
    se = standard_error_of_log_h(q, df)
    if se is None or q <= 0.0:
        return Share(i2, None, None, I2_NAME), Share(h2, None, None, H2_NAME)
    factor = math.exp(2.0 * critical(level, None) * se)
    low, high = max(1.0, h2 / factor), max(1.0, h2 * factor)
    return Share(i2, 100.0 * (1 - 1 / low), 100.0 * (1 - 1 / high), I2_NAME), Share(h2, low, high, H2_NAME)


def standard_error_of_log_h(q: float, df: int) -> float | None:
    """Return the standard error of ln H, H^2 = Q / (k - 1), or ``None`` where it is not defined.

    For Q > k it is (ln Q - ln(k - 1)) / (2 (sqrt(2 Q) - sqrt(2 k - 3))), else
    sqrt((1 - 1 / (3 (k - 2)^2)) / (2 (k - 2))), which needs three studies.
    """
    k = df + 1
    if df >= 1 and q > k:
        return 0.5 * (math.log(q) - math.log(df)) / (math.sqrt(2.0 * q) - math.sqrt(2.0 * k - 3.0))
    if k < 3:
        return None
    return math.sqrt((1.0 - 1.0 / (3.0 * (k - 2) ** 2)) / (2.0 * (k - 2)))
