"""How the kernels are compiled: without fast-math, cached where a cache can be written, and free of the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast


def compiled[F: Callable[..., Any]](function: F) -> F:
    """Compile a function of arrays and scalars with numba on its first call.

    Sums keep their order (no fast-math), so a row has the same bits whatever its neighbours and the number of
    threads. The machine code is cached in ``__pycache__`` beside the source, or in the user's cache
    folder where that cannot be written (``NUMBA_CACHE_DIR`` names another); where neither can, it is compiled
    anew in each process.
    """
    from numba import njit

    try:
        return cast("F", njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # numba found no folder for its cache
        return cast("F", njit(nogil=True, error_model="numpy")(function))


def threads() -> int:
    """Return how many threads the kernels may use: ``NUMBA_NUM_THREADS``, else the cores of the machine."""
    from numba import config

    return int(vars(config)["NUMBA_NUM_THREADS"])
