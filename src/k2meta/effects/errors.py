"""What the effects refuse, with the reason. Every class is a ``ValueError``."""

from __future__ import annotations


class EffectError(ValueError):
    """Printed numbers cannot give what was asked of them; the message names the index where there is one."""


class MeasureError(EffectError):
    """An effect size was asked for with inputs that cannot give one."""


class RecoverError(EffectError):
    """The printed numbers cannot give a mean, a standard deviation or a standard error."""
