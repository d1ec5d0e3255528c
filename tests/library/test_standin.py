"""The stand-ins look enough like CIFAR-10 and SVHN, in the statistics that make the anomaly."""

import os

import numpy as np
import pytest
from scipy import fft, linalg
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from likelab import data, standin

DIMS = 3 * 32 * 32
# Bands of the discrete cosine transform, by distance from the constant's corner; the first is the constant alone.
BAND_EDGES = np.array([0, 0.5, 1.5, 2.5, 4, 6, 9, 13, 19, 44])
BAND = np.digitize(np.hypot(*np.mgrid[:32, :32]), BAND_EDGES) - 1

# What mean_levels, variance_sums and band_energies give for the real images: the first 4,000 training images
# of CIFAR-10 (inside), and 7,472 test digits of SVHN cut from the official photographs (outside).
# test_the_real_images_have_these_statistics measures them again.
REAL = {
    "inside": {
        "mean": [125.36, 122.85, 113.39],
        "variance": [62.07, 59.85, 68.83],
        "bands": [56.143, 36.818, 27.031, 16.365, 18.886, 14.103, 9.738, 7.265, 4.408],
    },
    "outside": {
        "mean": [115.96, 115.91, 119.18],
        "variance": [50.93, 53.93, 54.69],
        "bands": [100.588, 10.921, 11.151, 7.234, 12.637, 10.945, 4.475, 1.291, 0.300],
    },
}


def mean_levels(images):
    """Mean of each channel, in grey levels 0-255. uint8 (N, 3, 32, 32) -> (3,)."""
    return images.mean((0, 2, 3))


def variance_sums(images):
    """Variance over images of each pixel on [0, 1], summed over positions. uint8 (N, 3, 32, 32) -> (3,)."""
    return (images / 255).var(0).sum((1, 2))


def band_energies(images):
    """Mean energy, about the mean image, in each band of the orthonormal DCT. uint8 (N, 3, 32, 32) -> (9,)."""
    values = images / 255
    energy = fft.dctn(values - values.mean(0), axes=(2, 3), norm="ortho") ** 2
    return np.bincount(BAND.ravel(), energy.mean(0).sum(0).ravel())


STATISTICS = {"mean": mean_levels, "variance": variance_sums, "bands": band_energies}


def gaussian_bits(train, *tests):
    """Bits/dim of each test set under a full-covariance Gaussian fitted to train and its mirror images.

    On [0, 1], uniform dequantisation, ridge 1e-5.
    """
    rng = np.random.default_rng(0)

    def flat(images):
        values = images.reshape(len(images), DIMS)
        return (values + rng.random(values.shape)) / 256

    train = flat(np.concatenate([train, train[..., ::-1]]))
    mean = train.mean(0)
    factor = linalg.cholesky(np.cov(train.T, bias=True) + 1e-5 * np.eye(DIMS), lower=True)
    log_det = np.log(np.diag(factor)).sum()
    for images in tests:
        z = linalg.solve_triangular(factor, (flat(images) - mean).T, lower=True)
        nats = (z**2).sum(0) / 2 + log_det + DIMS * (np.log(2 * np.pi) / 2 + np.log(256))
        yield nats / DIMS / np.log(2)


@pytest.fixture(scope="module")
def made():
    """The images that `likelab.data` hands out: train and test of both sets, (images, labels) each."""
    return {
        (name, split): getattr(standin, name)(n, seed)
        for name in ("leaves", "plates")
        for split, n, seed in (("train", 4_000, 1), ("test", 1_000, 2))
    }


@pytest.fixture(scope="module")
def measured(made):
    """The statistics of REAL, of Leaves (inside) and of Plates (outside)."""
    sets = {"inside": made["leaves", "train"][0], "outside": made["plates", "train"][0]}
    return {side: {name: measure(images) for name, measure in STATISTICS.items()} for side, images in sets.items()}


@pytest.mark.parametrize("side", ["inside", "outside"])
def test_colours_are_near_the_real_ones(measured, side):
    assert measured[side]["mean"] == pytest.approx(REAL[side]["mean"], abs=8)


def test_the_two_sets_have_nearly_the_same_mean(measured):
    assert measured["inside"]["mean"] == pytest.approx(measured["outside"]["mean"], abs=12)


@pytest.mark.parametrize("side", ["inside", "outside"])
def test_variance_sums_are_within_a_tenth_of_the_real_ones(measured, side):
    assert measured[side]["variance"] == pytest.approx(REAL[side]["variance"], rel=0.1)


def test_energy_outside_over_inside_is_as_in_the_real_pair_in_every_band(measured):
    ratio, real = (s["outside"]["bands"] / np.array(s["inside"]["bands"]) for s in (measured, REAL))
    assert np.abs(np.log(ratio / real)).max() < np.log(1.5), ratio / real


@pytest.mark.parametrize("side", ["inside", "outside"])
def test_energy_is_within_a_factor_of_two_of_the_real_one_in_every_band(measured, side):
    ratio = measured[side]["bands"] / np.array(REAL[side]["bands"])
    assert np.abs(np.log(ratio)).max() < np.log(2), ratio


@pytest.mark.slow
def test_a_gaussian_falls_into_the_trap(made):
    """It falls as deep as with the real pair: 4.9 bits/dim inside, 3.9 outside, AUROC 0.025 (chapter 02)."""
    train, test, outside = (made[key][0] for key in (("leaves", "train"), ("leaves", "test"), ("plates", "test")))
    inside_bits, outside_bits = gaussian_bits(train, test, outside)
    unknown = np.repeat([0, 1], [len(test), len(outside)])
    assert 0.01 < roc_auc_score(unknown, np.concatenate([inside_bits, outside_bits])) < 0.15
    assert inside_bits.mean() == pytest.approx(4.9, abs=0.4)
    assert inside_bits.mean() - outside_bits.mean() == pytest.approx(1.0, abs=0.3)


@pytest.mark.skipif("LIKELAB_DATA" not in os.environ, reason="LIKELAB_DATA names no folder with real images")
@pytest.mark.parametrize(
    ("side", "name", "split", "count"), [("inside", "cifar10", "train", 4_000), ("outside", "svhn", "test", 7_472)]
)
def test_the_real_images_have_these_statistics(side, name, split, count):
    images = data.load(name, split).images.numpy()
    if side == "inside":
        images = images[:count]
    elif len(images) != count:
        pytest.skip(f"measured on {count} test digits of SVHN; this folder has {len(images)}")
    for statistic, measure in STATISTICS.items():
        assert measure(images) == pytest.approx(REAL[side][statistic], rel=2e-3), statistic


@pytest.mark.parametrize("make", [standin.leaves, standin.plates])
class TestEitherSet:
    def test_types_and_shapes(self, make):
        images, labels = make(7, 0)
        assert (images.dtype, images.shape) == (np.uint8, (7, 3, 32, 32))
        assert (labels.dtype, labels.shape) == (np.int64, (7,))

    def test_an_image_depends_on_seed_and_place_alone(self, make):
        images, labels = make(60, 3)
        for n in (1, 25, 26, 60):
            fewer, their_labels = make(n, 3)
            assert np.array_equal(fewer, images[:n])
            assert np.array_equal(their_labels, labels[:n])

    def test_no_image_comes_twice(self, make):
        images = np.concatenate([make(60, seed)[0] for seed in (3, 4)])
        assert len(np.unique(images.reshape(120, -1), axis=0)) == 120

    def test_nothing_is_written(self, make, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        make(1, 0)
        assert not list(tmp_path.iterdir())

    def test_the_ten_labels_are_about_equally_frequent(self, make, made):
        labels = made[make.__name__, "train"][1]
        assert np.bincount(labels, minlength=10) == pytest.approx(np.full(10, 400), rel=0.2)


def test_the_label_of_a_plate_can_be_read_from_it(made):
    def features(images):  # grey, at half the resolution, the middle columns, same brightness and contrast
        grey = images.mean(1).reshape(-1, 16, 2, 16, 2).mean((2, 4))[:, :, 2:-2].reshape(len(images), -1)
        grey -= grey.mean(1, keepdims=True)
        return grey / grey.std(1, keepdims=True)

    (train, labels), (test, truth) = made["plates", "train"], made["plates", "test"]
    known = features(train)
    neighbours = KNeighborsClassifier(5).fit(np.concatenate([known, -known]), np.tile(labels, 2))
    assert neighbours.score(features(test), truth) > 0.75


@pytest.mark.parametrize(("part", "chance"), [("palette", 0.2), ("shape", 0.5)])
def test_the_label_of_leaves_can_be_guessed_from_them(made, part, chance):
    def features(images):  # mean colour; how steep the image is in either direction
        steep = [np.log(np.abs(np.diff(images / 255, axis=axis)).mean((1, 2, 3))) for axis in (2, 3)]
        return np.column_stack([images.mean((2, 3)) / 255, *steep])

    (train, labels), (test, truth) = made["leaves", "train"], made["leaves", "test"]
    labels, truth = (np.divmod(y, 5)[part == "palette"] for y in (labels, truth))
    score = LogisticRegression(max_iter=2000).fit(features(train), labels).score(features(test), truth)
    assert score > chance + 0.1
