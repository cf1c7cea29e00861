"""Many meta-analyses at once: the single fit, whatever the neighbours, the chunks and the threads."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest

import k2meta as km
from k2meta.models.batch import Batch, api, random_effects_batch
from k2meta.models.errors import InputError, UnknownMethodError

# Both engines add the same terms in another order. tau2 is a difference of sums of the size of tau2 + the least
# variance, so that is what it is relative to; from a hundredth of the variances on, plain relative error holds.
SAME = 1e-12
MODERATE = 0.01

ARRAYS = tuple(f.name for f in dataclasses.fields(Batch) if f.name != "options")
METHODS = tuple(name for name in api.TAU2 if name != "EE")


def hostile(rng, rows, studies):
    """Rows with variances from 1e-6 to 1e6, a dominant trial, equal effects, a far origin, few or many studies."""
    Y = np.full((rows, studies), np.nan)
    V = Y.copy()
    for row in range(rows):
        k = int(rng.integers(1, studies + 1))
        v = (
            rng.uniform(0.01, 0.3, k),
            10.0 ** rng.uniform(-6, 6, k),
            np.r_[1e-4, np.ones(k - 1)],
            np.full(k, 0.1),
            10.0 ** rng.uniform(-2, 2, k),
        )[row % 5]
        y = rng.normal(0, np.sqrt(v + rng.choice([0, 0.001, 0.1, 1, 100])))
        if row % 17 == 0:
            y[:] = 0.3
        if row % 11 == 0:
            y += rng.choice([-1e6, 1e3])
        where = rng.permutation(studies)[:k]
        Y[row, where], V[row, where] = y, v
    return Y, V


def assert_same_as_single(batch, row, fit, v):
    unit = fit.mu.se if fit.mu.se > 0 else math.sqrt(v.min())
    least = fit.tau2.value + v.min()
    assert abs(batch.tau2[row] - fit.tau2.value) <= SAME * least
    if fit.tau2.value > MODERATE * np.median(v):
        assert batch.tau2[row] == pytest.approx(fit.tau2.value, rel=SAME, abs=0)
    for ours, theirs in (
        (batch.mu[row], fit.mu.value),
        (batch.low[row], fit.mu.low),
        (batch.high[row], fit.mu.high),
    ):
        assert ours == pytest.approx(theirs, rel=SAME, abs=SAME * unit)
    assert batch.se[row] == pytest.approx(fit.mu.se, rel=SAME, abs=SAME * unit)
    assert batch.q[row] == pytest.approx(fit.q.value, rel=SAME, abs=SAME)
    assert batch.i2[row] == pytest.approx(fit.i2, rel=SAME, abs=100 * SAME)
    assert batch.k[row] == fit.k
    assert bool(batch.converged[row]) == fit.converged
    assert bool(batch.at_boundary[row]) == fit.at_boundary
    assert batch.df[row] == (math.inf if fit.mu.df is None else fit.mu.df)
    if fit.mu.p is None:
        assert math.isnan(batch.p[row])


@pytest.mark.parametrize(
    ("tau2", "interval", "rows"),
    [("REML", "HKSJ-guarded", 1500), ("ML", "HKSJ", 500), ("PM", "t", 500), ("DL", "z", 500)]
    + [(name, "HKSJ-guarded", 100) for name in METHODS if name not in ("REML", "ML", "PM", "DL")],
)
def test_every_row_is_the_single_fit(tau2, interval, rows):
    Y, V = hostile(np.random.default_rng(len(tau2) + rows), rows, 20)
    batch = random_effects_batch(Y, V, tau2=tau2, interval=interval)
    for row in range(rows):
        here = ~np.isnan(Y[row])
        fit = km.random_effects(Y[row, here], V[row, here], tau2=tau2, interval=interval)
        assert_same_as_single(batch, row, fit, V[row, here])


def test_the_common_effect_is_the_method_ee():
    Y, V = hostile(np.random.default_rng(5), 100, 12)
    batch = random_effects_batch(Y, V, tau2="EE", interval="z")
    for row in range(len(Y)):
        here = ~np.isnan(Y[row])
        assert_same_as_single(batch, row, km.common_effect(Y[row, here], V[row, here]), V[row, here])


def test_several_optima_are_found_and_the_highest_is_taken():
    rng = np.random.default_rng(8)
    V = 10.0 ** rng.uniform(-4, 1, (20_000, 5))
    Y = rng.normal(0, np.sqrt(V + 0.05))
    for tau2 in ("REML", "ML"):
        batch = random_effects_batch(Y, V, tau2=tau2)
        several = np.flatnonzero(batch.local_optima > 1)
        assert several.size > 20
        for row in several[:40]:
            fit = km.random_effects(Y[row], V[row], tau2=tau2)
            assert fit.diagnostics.local_optima == batch.local_optima[row]
            assert_same_as_single(batch, row, fit, V[row])


def test_every_one_of_many_rows_converges():
    rng = np.random.default_rng(9)
    for k, scale in ((3, 1.0), (13, 0.2), (60, 3.0)):
        V = rng.uniform(0.01, 1.0, (20_000, k))
        Y = rng.normal(0, np.sqrt(V + scale * rng.random((20_000, 1))))
        for tau2 in ("REML", "ML", "PM"):
            assert random_effects_batch(Y, V, tau2=tau2).converged.all()


def test_p_is_that_of_the_single_fit():
    rng = np.random.default_rng(3)
    V = rng.uniform(0.01, 0.3, (20, 6))
    Y = rng.normal(0.3, np.sqrt(V))
    for interval in api.INTERVALS:
        p = random_effects_batch(Y, V, interval=interval).p
        single = [km.random_effects(y, v, interval=interval).mu.p for y, v in zip(Y, V, strict=True)]
        # The tail probability multiplies the relative error of a statistic by its size, here up to ten.
        np.testing.assert_allclose(p, single, rtol=100 * SAME)


def test_a_row_without_studies_is_nan_and_not_converged():
    batch = random_effects_batch([[np.nan, np.nan], [1.0, 2.0]], [[np.nan, np.nan], [1.0, 1.0]])
    assert (batch.k.tolist(), batch.converged.tolist()) == ([0, 2], [False, True])
    for name in ("mu", "se", "low", "high", "df", "tau2", "q", "i2", "p"):
        assert np.isnan(getattr(batch, name)[0])
        assert not np.isnan(getattr(batch, name)[1])
    assert not batch.at_boundary[0]
    assert len(random_effects_batch(np.empty((3, 0)), np.empty((3, 0))).mu) == 3
    assert len(random_effects_batch(np.empty((0, 4)), np.empty((0, 4)))) == 0


def test_neighbours_order_chunks_and_memory_layout_change_no_bit(monkeypatch):
    Y, V = hostile(np.random.default_rng(4), 3000, 9)
    whole = random_effects_batch(Y, V)
    order = np.random.default_rng(0).permutation(len(Y))
    shuffled = random_effects_batch(Y[order], V[order])
    columns = random_effects_batch(np.asfortranarray(Y), np.asfortranarray(V))
    Y.flags.writeable = False
    locked = random_effects_batch(Y, V)
    monkeypatch.setattr(api, "SMALLEST_CHUNK", 32)
    monkeypatch.setattr(api, "CHUNK_BYTES", 64 * 9 * 8)
    chunked = random_effects_batch(Y, V)
    for name in ARRAYS:
        one = getattr(whole, name)
        np.testing.assert_array_equal(getattr(shuffled, name), one[order])
        for other in (columns, locked, chunked):
            np.testing.assert_array_equal(getattr(other, name), one)


def test_the_number_of_threads_changes_no_bit():
    script = (
        "import numpy as np; from k2meta.models.batch import random_effects_batch as f\n"
        "r = np.random.default_rng(1); V = r.uniform(.01, 1, (9000, 7)); Y = r.normal(0, np.sqrt(V + .1))\n"
        "import hashlib; print(hashlib.sha256(f(Y, V).tau2.tobytes()).hexdigest())"
    )
    found = set()
    for count in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script], env={"NUMBA_NUM_THREADS": count}, capture_output=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("Y", "V", "message"),
    [
        ([[1.0, 2.0]], [[1.0]], r"Y has shape \(1, 2\) and V has \(1, 1\)"),
        ([1.0, 2.0], [1.0, 1.0], r"shape \(B, k\)"),
        ([[1.0, 2.0], [1.0, np.nan]], [[1.0, 1.0], [1.0, 1.0]], r"Y\[1, 1\] = nan and V\[1, 1\] = 1.0"),
        ([[1.0, 2.0], [1.0, 2.0]], [[1.0, 1.0], [np.nan, 1.0]], r"V\[1, 0\] = nan: an absent study"),
        ([[1.0, np.inf]], [[1.0, 1.0]], r"Y\[0, 1\] = inf is not"),
        ([[1.0, 1.0]], [[1.0, np.inf]], r"V\[0, 1\] = inf is not"),
        ([[1.0, 1.0]], [[0.0, 1.0]], r"V\[0, 0\] = 0.0: a sampling variance"),
        ([[1.0, 1.0]], [[1.0, -2.0]], r"V\[0, 1\] = -2.0: a sampling variance"),
        ([["a", "b"]], [[1.0, 1.0]], "matrix of numbers"),
    ],
)
def test_unusable_input_is_refused_with_its_place(Y, V, message):
    with pytest.raises(InputError, match=message):
        random_effects_batch(Y, V)


def test_the_first_of_several_bad_rows_is_named_wherever_the_chunks_fall():
    Y, V = np.zeros((50_000, 3)), np.ones((50_000, 3))
    V[31_415, 2] = V[31_416, 0] = V[49_999, 1] = -1.0
    with pytest.raises(InputError, match=r"V\[31415, 2\]"):
        random_effects_batch(Y, V)


def test_unknown_names_and_levels_are_refused():
    with pytest.raises(UnknownMethodError, match="REML, ML, DL"):
        random_effects_batch([[1.0]], [[1.0]], tau2="reml")
    with pytest.raises(UnknownMethodError, match="z, t, HKSJ, HKSJ-guarded"):
        random_effects_batch([[1.0]], [[1.0]], interval="wald")
    with pytest.raises(InputError, match="level"):
        random_effects_batch([[1.0]], [[1.0]], level=95)


def test_a_package_that_cannot_be_written_works_without_a_cache(tmp_path):
    # A file stands where the folder of the cache would be made, here and in the user's own.
    (tmp_path / "module.py").write_text(
        "from k2meta.models.batch.compiled import compiled\n@compiled\ndef twice(x):\n    return x * 2\n", "utf-8"
    )
    (tmp_path / "__pycache__").write_text("", "utf-8")
    blocked = str(tmp_path / "__pycache__")
    done = subprocess.run(
        [sys.executable, "-c", "import module; print(module.twice(21))"],
        env={"PYTHONPATH": str(tmp_path), "HOME": blocked, "XDG_CACHE_HOME": blocked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "42"


def test_importing_the_batch_engine_loads_no_compiler():
    script = "import k2meta.models.batch, k2meta.sensitivity.gosh, sys; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"False\n"
