"""Draws of every model family as ArviZ knows them, with studies, outcomes and coefficients by name."""

from __future__ import annotations

import numpy as np
import pytest

import k2meta as km
from k2meta import io
from k2meta.models.bayes_binomial import BinomialSampler
from k2meta.models.bayes_correlated import CorrelatedSampler
from k2meta.models.bayes_mcmc import HierarchicalSampler
from k2meta.models.bayes_mcmc_regression import RegressionSampler
from k2meta.models.bayes_student import LogNormalDf, StudentSampler
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


SHORT = {"tau_prior": km.priors.HalfNormal(0.5), "seed": 1, "chains": 2, "draws": 30, "tune": 30}
YI, VI = [0.1, 0.4, -0.2], [0.04, 0.05, 0.03]
STUDIES = ["Shea 2009", "Bartstra", "Vossen"]


def every_family():
    """Return a result of each sampled model, and the names of its dimensions; too short a run to be believed."""
    two = [[0.1, 0.3], [0.4, 0.2], [-0.2, np.nan]], [[0.04, 0.05], [0.05, 0.03], [0.03, np.nan]]
    return {
        "normal": (HierarchicalSampler(3).sample(YI, VI, **SHORT), {}),
        "student": (StudentSampler(3).sample(YI, VI, df=LogNormalDf(8.0, 0.5), **SHORT), {}),
        "binomial": (BinomialSampler(3).sample([1, 2, 3], [20] * 3, [2, 5, 4], [20] * 3, **SHORT), {}),
        "regression": (
            RegressionSampler(3, 2).sample(YI, VI, {"dose": [1.0, 2.0, 4.0]}, **SHORT),
            {"coefficients": ["intercept", "dose"]},
        ),
        "correlated": (CorrelatedSampler(2, 3).sample(*two, rho_w=0.5, **SHORT), {"outcomes": ["CAC", "PWV"]}),
    }


def test_arviz_sums_up_the_draws_of_every_model_family_by_name():
    import arviz as az

    rows = {}
    for family, (result, names) in every_family().items():
        tree = km.as_datatree(result.draws, STUDIES, **names)
        rows[family] = set(az.summary(tree, round_to="none").index)
        assert tree.sample_stats["diverging"].shape == result.draws.diverging.shape
        assert list(tree.posterior["study"].values) == STUDIES
        assert np.isfinite(np.asarray(az.bfmi(tree)["energy"])).all()
    assert rows["normal"] >= {"mu", "tau", "theta[Bartstra]"}
    assert rows["student"] >= {"mu", "df", "theta[Vossen]"}
    assert rows["binomial"] >= {"mu", "baseline[Shea 2009]"}
    assert rows["regression"] == {"beta[intercept]", "beta[dose]", "tau", *(f"theta[{one}]" for one in STUDIES)}
    assert rows["correlated"] >= {"mu[CAC]", "tau[PWV]", "correlation[CAC ~ PWV]", "theta[Vossen, PWV]"}


def test_pairs_of_outcomes_stand_in_the_order_of_their_correlations():
    rng = np.random.default_rng(2)
    draws = {"mu": rng.normal(size=(2, 5, 3)), "correlation": rng.normal(size=(2, 5, 3))}
    tree = km.as_datatree(draws, outcomes=["a", "b", "c"])
    assert list(tree.posterior["pair"].values) == ["a ~ b", "a ~ c", "b ~ c"]
    assert list(km.as_datatree(draws).posterior["pair"].values) == ["0 ~ 1", "0 ~ 2", "1 ~ 2"]
    with pytest.raises(InputError, match=r"correlation has shape \(2, 5, 2\).*\(chain, draw, pair\) with 3 pairs"):
        km.as_datatree(draws | {"correlation": draws["correlation"][..., :2]})


def test_studies_without_labels_are_numbered(draws):
    assert list(km.as_datatree(draws).posterior["study"].values) == [0, 1, 2]


def test_every_name_that_does_not_fit_is_told(draws):
    both = draws | {"beta": np.zeros((2, 30, 2)), "baseline": np.zeros((2, 30, 4))}
    with pytest.raises(InputError) as caught:
        km.as_datatree(both, ["a", "b", "c"], coefficients=["intercept"])
    assert "beta has shape (2, 30, 2); it needs (chain, draw, coefficient) with 1 coefficients" in str(
        caught.value
    )
    assert "baseline has shape (2, 30, 4); it needs (chain, draw, study) with 3 studies" in str(caught.value)
    with pytest.raises(
        InputError, match=r"theta has shape .* \(chain, draw, study\) or \(chain, draw, study, outcome"
    ):
        km.as_datatree({"theta": draws["mu"]})
    with pytest.raises(InputError, match=r"give result.draws"):
        km.as_datatree(3.0)


def test_an_analysis_that_was_not_pooled_has_an_empty_posterior(tmp_path):
    io.write_draws(tmp_path / "draws.h5", {})
    assert not km.as_datatree(io.read_draws(tmp_path / "draws.h5"), []).posterior.data_vars
