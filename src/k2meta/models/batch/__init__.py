"""The batch engine: :func:`random_effects_batch` fits many meta-analyses at the price of a few.

``api`` checks, cuts into chunks and spreads them over threads; ``kernels`` is the compiled arithmetic and
``compiled`` says how it is compiled. Nothing here loads numba before the first fit.
"""

from __future__ import annotations

from k2meta.models.batch.api import Batch, random_effects_batch

__all__ = ["Batch", "random_effects_batch"]
