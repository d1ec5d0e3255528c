"""Choosing among detectors: each formula against a case worked out by hand, or another implementation."""

import numpy as np
import pytest
from scipy import stats

from likelab import bits, choosing

RNG = np.random.default_rng(0)


def test_wins_average_to_the_auroc():
    inside, anomalous = RNG.integers(0, 9, (3, 20)), RNG.integers(2, 12, (3, 7))
    found = choosing.wins(inside, anomalous)
    assert found.shape == (3, 7)
    assert choosing.wins([1, 2, 2, 4], [0, 2, 5]).tolist() == [0, 0.5, 1]
    assert found.mean(1) == pytest.approx([bits.auroc(*both) for both in zip(inside, anomalous, strict=True)])


@pytest.mark.parametrize(("inside", "anomalous"), [([], [1.0]), ([1.0], []), ([1.0], [np.nan])])
def test_wins_refuses(inside, anomalous):
    with pytest.raises(ValueError, match="at least one|not finite"):
        choosing.wins(inside, anomalous)


def test_chosen_by_all_by_one_and_with_ties():
    validation, test = np.array([[1.0, 0.0, 0.5], [0.4, 0.9, 0.8]]), np.array([0.2, 0.7])
    assert choosing.chosen(validation, test) == 0.7
    assert choosing.chosen(validation, test, 3) == 0.7
    assert choosing.chosen(np.array([[1.0, 1.0], [1.0, 1.0]]), test) == pytest.approx(0.45)
    # Two of the three anomalies, alone, choose the second setting.
    assert choosing.chosen(validation, test, 1, draws=20000) == pytest.approx(0.7 * 2 / 3 + 0.2 / 3, abs=0.01)


def test_chosen_refuses():
    with pytest.raises(ValueError, match="nothing to choose by"):
        choosing.chosen(np.ones((2, 3)), np.ones(2), 0)
    with pytest.raises(ValueError, match=r"must be \(S, M\)"):
        choosing.chosen(np.ones((2, 3)), np.ones(3))


def test_mean_ranks_share_ties():
    assert choosing.mean_ranks([[0.9, 0.8, 0.8], [0.5, 0.7, 0.6]]).tolist() == [2, 1.75, 2.25]


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (5, 2.728), (6, 2.850), (10, 3.164)])
def test_critical_difference_has_the_published_constants(methods, q):
    """Demšar 2006, table 5 (a): Nemenyi at 0.05."""
    assert choosing.critical_difference(methods, 1) / np.sqrt(methods * (methods + 1) / 6) == pytest.approx(q, abs=6e-4)
    assert choosing.critical_difference(methods, 4) == pytest.approx(choosing.critical_difference(methods, 1) / 2)


def test_critical_difference_of_two_methods_is_a_test_of_signs():
    """With two methods mean ranks differ by the balance of wins: ±1.96 standard deviations of a fair coin's."""
    assert choosing.critical_difference(2, 100) == pytest.approx(stats.norm.ppf(0.975) / np.sqrt(100), rel=1e-4)
    with pytest.raises(ValueError, match="cannot be compared"):
        choosing.critical_difference(1, 10)


def test_groups_are_the_largest_that_cannot_be_told_apart():
    assert choosing.groups([1.0, 3.0, 1.9, 4.4], 1.5) == [(0, 2), (2, 1), (1, 3)]
    assert choosing.groups([1.0, 1.1, 1.2, 4.0], 1.5) == [(0, 1, 2)]
    assert choosing.groups([1.0, 3.0, 5.0], 1.5) == []


def test_signed_rank_is_symmetric_and_certain_where_all_agree():
    d = RNG.normal(0.01, 0.03, 15)
    there, back = choosing.signed_rank(d, 0.01), choosing.signed_rank(-d, 0.01)
    assert there == pytest.approx(back[::-1], abs=1e-12)
    assert sum(there) == pytest.approx(1)
    assert choosing.signed_rank(np.full(15, 0.2), 0.01)[2] > 0.999
    assert choosing.signed_rank(np.full(15, 0.001), 0.01)[1] > 0.999
    with pytest.raises(ValueError, match="rope"):
        choosing.signed_rank(d, -1)


def test_signed_rank_of_one_problem_by_hand():
    """Weights (w, 1 - w) of the made-up problem and of the one with difference 1, w from Beta(1/2, 1).

    At rope 0 the pair of the made-up one with itself counts half for either side: better has 1 - w²/2, always the most.
    With rope 0.75 only the pair of the real one with itself is above: better wins where (1 - w)² > 1/2.
    """
    assert choosing.signed_rank([1.0]) == (0, 0, 1)
    expected = stats.beta.cdf(1 - np.sqrt(0.5), 0.5, 1)
    assert choosing.signed_rank([1.0], 0.75, draws=100_000)[2] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("rope", [0.0, 0.01])
def test_signed_rank_agrees_with_baycomp(rope):
    baycomp = pytest.importorskip("baycomp")
    x, y = RNG.normal(0.9, 0.02, 18), RNG.normal(0.895, 0.03, 18)
    theirs = baycomp.SignedRankTest(x, y, rope, nsamples=20000, random_state=0).probs()
    assert choosing.signed_rank(y - x, rope) == pytest.approx(theirs, abs=0.02)
