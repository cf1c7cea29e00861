"""What the models refuse, with the reason. Every class is a ``ValueError``."""

from __future__ import annotations

from collections.abc import Iterable


class ModelError(ValueError):
    """A model cannot answer what it was asked."""


class InputError(ModelError):
    """An effect or a variance that no model can use; the message names its index."""


class PriorError(ModelError):
    """A prior with an impossible parameter."""


class ImproperPosteriorError(ModelError):
    """Priors and data that do not add up to a distribution."""


class UnknownMethodError(ModelError):
    """A method nobody registered; the message lists the registered ones."""

    def __init__(self, what: str, given: object, allowed: Iterable[object]) -> None:
        names = ", ".join(str(name) for name in allowed)
        super().__init__(f"{what}: {given!r} is not known; choose one of {names}")
