"""Choosing among detectors: by known anomalies, and by tables of results over many problems.

A detector's settings, its kind of score included, are chosen by their AUROC on validation data. AUROC is a mean over
anomalies (`wins`), so that every smaller set of known anomalies is a mean over fewer columns (`chosen`). Over problems,
methods are compared by mean ranks (`mean_ranks`), which `critical_difference` and `groups` judge as Demšar (2006) does,
and in pairs by a Bayesian signed-rank test (`signed_rank`).
"""

import numpy as np
from scipy import stats


def wins(inside: np.ndarray, anomalous: np.ndarray) -> np.ndarray:
    """Share of the inside scores that lie below each anomaly's score; ties count half. (…, N), (…, M) -> (…, M).

    Higher is stranger. The mean over the last axis is the AUROC. Raises ValueError where a set is empty or a score is
    not finite.
    """
    inside, anomalous = np.asarray(inside, np.float64), np.asarray(anomalous, np.float64)
    if not inside.shape[-1] or not anomalous.shape[-1]:
        raise ValueError("there must be at least one inside score and one anomaly")
    if not (np.isfinite(inside).all() and np.isfinite(anomalous).all()):
        raise ValueError("some scores are not finite: leave out the setting that gave them")
    below = (inside[..., :, None] < anomalous[..., None, :]).mean(-2)
    return below + (inside[..., :, None] == anomalous[..., None, :]).mean(-2) / 2


def chosen(validation: np.ndarray, test: np.ndarray, count: int | None = None, draws: int = 10, seed: int = 0) -> float:
    """Test AUROC of the setting that is best on the validation data; where several are best, their mean.

    validation: `wins` of each setting's validation scores, (S, M); test: each setting's test AUROC, (S,); count: how
    many of the M anomalies are known, drawn at random `draws` times, of which the mean is returned; all where it is
    None or more than M. Raises ValueError for a count below 1 or arrays that do not fit.
    """
    validation, test = np.asarray(validation, np.float64), np.asarray(test, np.float64)
    if validation.ndim != 2 or test.shape != validation.shape[:1]:
        raise ValueError(f"validation {validation.shape} and test {test.shape} must be (S, M) and (S,)")
    if count is not None and count < 1:
        raise ValueError(f"count is {count}: with no known anomaly there is nothing to choose by")
    known = validation.shape[1]
    if count is None or count >= known:
        seen = validation.mean(1, keepdims=True)
    else:
        order = np.random.default_rng(seed).permuted(np.tile(np.arange(known), (draws, 1)), axis=1)
        seen = validation[:, order[:, :count]].mean(2)
    best = seen > seen.max(0) - 1e-9
    return float(((best * test[:, None]).sum(0) / best.sum(0)).mean())


def mean_ranks(table: np.ndarray) -> np.ndarray:
    """Mean rank of each method, 1 is best; ties share their ranks. table: results, higher is better, (N, k) -> (k,)."""
    return stats.rankdata(-np.asarray(table), axis=1).mean(0)


def critical_difference(methods: int, problems: int, level: float = 0.05) -> float:
    """Nemenyi's critical difference of two mean ranks, in ranks. Demšar 2006, section 3.2.2.

    methods: k ≥ 2; problems: N; level: of the test, for all pairs together. The quantile of the studentised range is
    divided by √2. Raises ValueError for fewer than two methods or one problem.
    """
    if methods < 2 or problems < 1:
        raise ValueError(f"{methods} methods on {problems} problems cannot be compared: give at least 2 and 1")
    q = stats.studentized_range.ppf(1 - level, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * problems)))


def groups(ranks: np.ndarray, difference: float) -> list[tuple[int, ...]]:
    """Methods that a test cannot tell apart: the largest sets whose mean ranks lie within `difference`.

    ranks: mean ranks (k,). Returns tuples of two or more indices, each from best to worst, as a diagram's bars.
    """
    order = np.argsort(ranks, kind="stable")
    found = []
    for start in range(len(order)):
        members = [int(i) for i in order[start:] if ranks[i] - ranks[order[start]] < difference]
        if len(members) > 1 and not (found and set(members) <= set(found[-1])):
            found.append(tuple(members))
    return found


def signed_rank(
    differences: np.ndarray, rope: float = 0.0, draws: int = 20000, prior: float = 0.5, seed: int = 0
) -> tuple[float, float, float]:
    """Bayesian signed-rank test: probabilities that a method is worse, practically the same, better than another.

    differences: results of the one minus results of the other, one a problem, (N,); rope: half the width of what counts
    as the same, in the results' unit; prior: weight of one made-up problem with difference 0, where a problem weighs 1.
    The problems are weighted by draws of a Dirichlet distribution; in each draw, the shares of pairs of problems whose
    mean difference lies below, within or above the rope are added up, and the largest share wins.
    Benavoli et al. 2014 and 2017. Raises ValueError for a negative rope or no difference at all.
    """
    differences = np.asarray(differences, np.float64)
    if differences.ndim != 1 or not len(differences) or rope < 0:
        raise ValueError("signed_rank needs one difference a problem, (N,), and a rope of 0 or more")
    z = np.concatenate([[0.0], differences])
    means = (z[:, None] + z) / 2
    above, below = ((sign * means > rope) + 0.5 * (sign * means == rope) for sign in (1, -1))
    weights = np.random.default_rng(seed).dirichlet([prior, *np.ones(len(differences))], draws)
    worse, better = (np.einsum("si,ij,sj->s", weights, pairs, weights, optimize=True) for pairs in (below, above))
    winners = np.argmax([worse, 1 - worse - better, better], axis=0)
    return tuple(float(share) for share in np.bincount(winners, minlength=3) / draws)
