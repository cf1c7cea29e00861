"""Stored draws come back as ArviZ knows them, with the studies by name."""

from __future__ import annotations

import numpy as np
import pytest

import k2meta as km
from k2meta import io
from k2meta.models.errors import InputError


@pytest.fixture
def draws():
    rng = np.random.default_rng(1)
    return {"mu": rng.normal(size=(2, 30)), "tau": rng.normal(size=(2, 30)), "theta": rng.normal(size=(2, 30, 3))}


def test_draws_go_through_a_file_and_come_back_with_named_dimensions(draws, tmp_path):
    io.write_draws(tmp_path / "draws.h5", draws)
    tree = km.as_datatree(io.read_draws(tmp_path / "draws.h5"), ["Shea 2009", "Bartstra", "Vossen"])
    for name, values in draws.items():
        assert np.array_equal(tree.posterior[name].values, values)
    assert tree.posterior["theta"].dims == ("chain", "draw", "study")
    assert tree.posterior["mu"].dims == ("chain", "draw")
    one = tree.posterior["theta"].sel(study="Bartstra")
    assert np.array_equal(one.values, draws["theta"][..., 1])


def test_arviz_sums_them_up(draws):
    import arviz as az

    table = az.summary(km.as_datatree(draws, ["a", "b", "c"]), round_to="none")
    assert table.loc["theta[c]", "mean"] == pytest.approx(draws["theta"][..., 2].mean(), rel=1e-12)


def test_the_same_draws_are_the_same_bytes(draws, tmp_path):
    for name in ("one.h5", "two.h5"):
        io.write_draws(tmp_path / name, draws)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_labels_that_do_not_fit_and_flat_draws_are_refused(draws):
    with pytest.raises(InputError, match=r"theta has shape .*\(chain, draw, study\) with 2 studies"):
        km.as_datatree(draws, ["a", "b"])
    with pytest.raises(InputError, match="mu has shape"):
        km.as_datatree({"mu": draws["mu"].ravel()}, [])


def test_an_analysis_that_was_not_pooled_has_an_empty_posterior(tmp_path):
    io.write_draws(tmp_path / "draws.h5", {})
    assert not km.as_datatree(io.read_draws(tmp_path / "draws.h5"), []).posterior.data_vars
