"""The experiments with small made-up numbers: what tests of the figures look at."""

import itertools

import numpy as np
import pytest

from likelab.explore.gallery.dials import dials as show_dials
from likelab.explore.gallery.disagreement import disagreement
from likelab.explore.gallery.known_anomalies import known_anomalies
from likelab.explore.gallery.latent_interpolation import latent_interpolation
from likelab.explore.gallery.new_units import new_units
from likelab.explore.gallery.noise_levels import noise_levels
from likelab.explore.gallery.receptive_field import receptive_field
from likelab.explore.gallery.ruler import ruler
from likelab.explore.gallery.shell import shell
from likelab.explore.gallery.stranger import stranger
from likelab.explore.gallery.terms import Costs
from likelab.explore.gallery.terms import terms as show_terms
from likelab.explore.gallery.threshold import threshold
from likelab.explore.gallery.two_densities import two_densities
from likelab.explore.gallery.variances import variances as show_variances
from likelab.explore.gallery.warp import warp as show_warp

NAMES = {"inside": "CIFAR-10 test", "outside": "SVHN test"}


def scores(n_inside=300, n_outside=200):
    """Two models' bits per dimension with a long upper tail, as a Gaussian's have."""
    rng = np.random.default_rng(7)
    return {
        "Gaussian": (4.2 + rng.gamma(2, 0.4, n_inside), 3.6 + rng.gamma(2, 0.2, n_outside)),
        "Glow": (4.3 + 0.6 * rng.standard_normal(n_inside), 3.2 + 0.4 * rng.standard_normal(n_outside)),
    }


def grid(experiment):
    """All settings; of an experiment that computes, all ends and some others, as it has far too many."""
    names = [control.name for control in experiment.controls]
    settings = [control.settings for control in experiment.controls]
    every = itertools.product(*settings)
    if experiment.script:
        rng = np.random.default_rng(0)
        ends = itertools.product(*((s[0], s[-1]) for s in settings))
        every = [*ends, *([s[rng.integers(len(s))] for s in settings] for _ in range(400))]
    return [dict(zip(names, settings, strict=True)) for settings in every]


def sample(experiment, count=20):
    """Settings with each control at either end, the others at the start, and `count` more at random."""
    rng = np.random.default_rng(0)
    ends = [experiment.start | {c.name: end} for c in experiment.controls for end in (c.settings[0], c.settings[-1])]
    return ends + [
        {c.name: c.settings[rng.integers(len(c.settings))] for c in experiment.controls} for _ in range(count)
    ]


def pairs():
    """A threshold for two pairs, each of sets of its own and of its own size."""
    (first, second), other = scores()["Glow"], scores(80, 90)["Gaussian"]
    names = {"inside": {"a → b": "set a", "b → a": "set b"}, "outside": {"a → b": "set b", "b → a": "set a"}}
    return threshold({"a → b": (first, second), "b → a": other}, **names, id="pairs", choose="Pair")


def costs(n, seed, places=False):
    rng = np.random.default_rng(seed)
    where = rng.gamma(2, 1, (n, 32, 32)) if places else None
    return Costs(rng.normal(2, 0.3, n), rng.normal(1.5, 1, n), where)


def pictures(n, seed=0):
    return np.random.default_rng(seed).integers(0, 8, (n, 3, 32, 32)).astype(np.uint8)


def terms(**options):
    names, models = ["leaf", "plate", "plain grey"], ("Glow", "constant volume")
    groups = [{model: costs(n, seed) for seed, model in enumerate(models)} for n in (300, 200)]
    own = {model: costs(3, seed + 5, places=True) for seed, model in enumerate(models)}
    return show_terms(names, pictures(3), own, *groups, sets=tuple(NAMES.values()), **options)


def variances():
    """A gap that is a difference of squared contrasts, and a forecast twice as large."""
    weight = {"all channels": 300, "red": 100, "green": 80, "blue": 120}
    gap = lambda c_in, c_out, shift, channel: 1000 * c_in**2 - weight[channel] * c_out**2 - shift  # noqa: E731
    steps = [0.25 * c for c in range(9)]
    return show_variances(steps, (-30, 0, 30), gap, lambda *at: 2 * gap(*at), "set a", "set b")


def dials():
    """Images that get cheaper with less contrast and dearer with noise, under two models."""
    rng, settings = np.random.default_rng(0), itertools.product((0.5, 1.0), (0.0, 0.5), (0, 2, 4))
    scores, images = {}, {}
    for contrast, blur, noise in settings:
        base = rng.normal(1 + 2 * contrast - blur + 0.5 * noise, 0.4, 50)
        scores[contrast, blur, noise] = {"Glow": base, "VAE": base + 0.5}
        images[contrast, blur, noise] = pictures(1, seed=len(images))[0]
    outside = {model: rng.normal(2, 0.4, 80) for model in ("Glow", "VAE")}
    return show_dials(scores, images, outside, tuple(NAMES.values()), "a leaf")


def denoised(**changes):
    """Five noise levels, which cost less from the second on."""
    both = 32 * np.stack([pictures(5, seed) for seed in (0, 1)])
    options = {"gammas": np.linspace(-12, 4, 5), "noisy": both, "guesses": both // 2}
    options |= {"inside": np.array([0.3, 0.5, 0.3, 0.1, 0.0]), "outside": np.array([0.3, 0.2, 0.1, 0.1, 0.0])}
    return noise_levels(**options | {"sets": tuple(NAMES.values()), "pictures": ("a leaf", "a plate")} | changes)


BETAS = {"0.25": (3.0, 1.5), "1": (2.0, 2.0), "16": (0.1, 5.0)}  # rate and distortion


def interpolation(**changes):
    """Three prices, two stops, a path of four steps."""
    options = {"frames": {beta: pictures(5, seed) for seed, beta in enumerate(BETAS)}, "stops": ["start", "end"]}
    return latent_interpolation(**{"costs": BETAS} | options | changes)


def moves():
    """A flow of two linear moves and a bend, with their log-determinants worked out by hand."""
    turn = lambda p: (p @ [[0.6, 0.9], [-0.8, 1.0]] + [0.2, -0.1], np.full(len(p), np.log(1.32)))  # noqa: E731
    bend = lambda p: (np.stack([p[:, 0], (p[:, 1] + np.sin(2 * p[:, 0])) * np.exp(p[:, 0] / 3)], 1), p[:, 0] / 3)  # noqa: E731
    return [("a turn", turn), ("a bend", bend), ("another turn", turn)]


def warp():
    points = np.random.default_rng(3).normal(0, 0.7, (40, 2))
    return show_warp(moves(), points, {"a <point>": (0.3, -0.5), "a far one": (-1.2, 1.4)})


def disagreeing():
    """Three scores of the same images: one that works, its opposite, and one that knows nothing."""
    rng = np.random.default_rng(0)
    inside, outside, nothing = rng.normal(0, 1, 120), rng.normal(1, 1, 110), rng.normal(0, 1, 230)
    scores = {"a score": (inside, outside), "its <opposite>": (-inside, -outside)}
    return disagreement(scores | {"nothing": (nothing[:120], nothing[120:])}, tuple(NAMES.values()))


def known(**changes):
    """Three methods on five problems, of which the second overtakes the first as anomalies are known."""
    base = np.random.default_rng(4).uniform(0.6, 0.7, (5, 5, 3))
    base[:, :, 1] += np.linspace(-0.2, 0.2, 5)[:, None]
    return known_anomalies(**{"areas": {"all": base, "two of them": base[:, :2]}, "methods": ["a", "b", "c"]} | changes)


def one_pair():
    return threshold(scores(), **NAMES)


# The experiments beside the threshold of one pair.
OTHERS = {
    "pairs": pairs,
    "shell": lambda: shell({"some images": 0.4}),
    "terms": terms,
    "variances": variances,
    "dials": dials,
    "ruler": ruler,
    "receptive_field": receptive_field,
    "latent_interpolation": interpolation,
    "warp": warp,
    "two_densities": two_densities,
    "stranger": stranger,
    "noise_levels": denoised,
    "new_units": new_units,
    "known_anomalies": known,
    "disagreement": disagreeing,
}


EVERY = {"threshold": one_pair} | OTHERS


@pytest.fixture(scope="module")
def experiment():
    return one_pair()


@pytest.fixture(scope="module", params=OTHERS)
def other(request):
    return OTHERS[request.param]()
