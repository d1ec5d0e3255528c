"""Units, dequantisation and AUROC against definitions written out."""

import math

import numpy as np
import pytest
import torch

from likelab import bits


def some_images(n=5, shape=(3, 6, 4), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("kind", [float, np.array, torch.tensor])
def test_ignorance_costs_eight_bits(kind):
    assert bits.per_dim(kind(-3072 * math.log(256)), 3072) == pytest.approx(8)


def test_noise_is_uniform_and_stays_in_the_pixels_interval():
    images = torch.full((40, 3, 32, 32), 255, dtype=torch.uint8)
    images[::2] = 0
    images[:, 0, 0, 0] = torch.arange(40)  # no two images alike, so no two noises alike
    noise = bits.dequantise(images) - images
    assert noise.min() >= 0 and (bits.dequantise(images) < images.float() + 1).all()
    assert noise.mean() == pytest.approx(0.5, abs=0.005)
    assert noise.var() == pytest.approx(1 / 12, abs=0.003)
    assert torch.corrcoef(noise.flatten(1)).fill_diagonal_(0).abs().max() < 0.1


def test_noise_depends_on_the_image_and_the_draw_alone():
    images = some_images()
    y = bits.dequantise(images)
    assert torch.equal(bits.dequantise(images[[3, 1]]), y[[3, 1]])
    assert torch.equal(bits.dequantise(images.to(memory_format=torch.channels_last)), y)
    assert not torch.equal(bits.dequantise(images, draw=1), y)
    assert not torch.equal(y[0] - images[0], y[1] - images[1])


def test_noise_of_a_generator_is_that_of_its_seed():
    images = some_images()
    one, two = (bits.dequantise(images, generator=torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, bits.dequantise(images))


def test_no_images_no_noise():
    assert bits.dequantise(some_images(0)).shape == (0, 3, 6, 4)


@pytest.mark.parametrize(
    "images, error, words",
    [
        (torch.zeros(1, 3, 4, 4), TypeError, r"these are torch\.float32.*not scaled"),
        (np.zeros((1, 3, 4, 4)), TypeError, "these are float64"),
        ([[[[1]]]], TypeError, "these are list"),
        (None, TypeError, "these are NoneType"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), ValueError, r"one image is images\[None\]"),
        (np.zeros((4, 4), np.uint8), ValueError, r"these have \(4, 4\)"),
        (
            torch.zeros(1, 1, 4, 4, dtype=torch.uint8),
            ValueError,
            r"\(1, 4, 4\), but this model was built for \(3, 4, 4\)",
        ),
    ],
)
def test_wrong_images_are_named(images, error, words):
    with pytest.raises(error, match=words):
        bits.as_images(images, (3, 4, 4))


def test_arrays_are_images_too_and_stay_as_they_were():
    images = some_images()
    array = images.numpy().copy()
    array.flags.writeable = False
    for given in (array, array[::-1], np.asfortranarray(array)):
        found = bits.as_images(given, (3, 6, 4))
        assert torch.equal(found, torch.tensor(np.array(given)))
    bits.as_images(array).zero_()
    assert (array == images.numpy()).all()
    assert bits.as_images(array[:0]).shape == (0, 3, 6, 4)


def test_fresh_noise_is_new_at_every_call():
    images = some_images()
    for noise in (bits.dequantise, lambda images, **options: bits.normal_noise(images, (4, 4), **options)):
        assert not torch.equal(noise(images, fresh=True), noise(images, fresh=True))
        torch.manual_seed(0)
        one = noise(images, fresh=True)
        torch.manual_seed(0)
        assert torch.equal(noise(images, fresh=True), one)


@pytest.mark.parametrize("one", [1, np.int64(1), np.uint8(1), torch.tensor(1), True])
def test_any_whole_number_is_the_number_of_a_draw(one):
    images = some_images()
    assert torch.equal(bits.dequantise(images, draw=one), bits.dequantise(images, draw=1))
    assert bits.whole(one, "draws", 1) == 1


@pytest.mark.parametrize(("draws", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError)])
def test_draws_are_counted_from_one(draws, error):
    with pytest.raises(error, match="draws"):
        bits.whole(draws, "draws", 1)


def test_auroc_counts_pairs_and_ties_by_halves():
    rng = np.random.default_rng(0)
    inside, outside = rng.integers(0, 9, 50), rng.integers(2, 12, 70)
    difference = outside[:, None] - inside[None, :]
    counted = (difference > 0).mean() + 0.5 * (difference == 0).mean()
    assert bits.auroc(inside, outside) == pytest.approx(counted)
    assert bits.auroc(outside, inside) == pytest.approx(1 - counted)


def test_auroc_refuses_what_cannot_be_ranked():
    with pytest.raises(ValueError, match="1 of 2 outside scores are not finite"):
        bits.auroc([1.0], [math.nan, 1.0])
    with pytest.raises(ValueError, match="no inside scores"):
        bits.auroc([], [1.0])


def test_bootstrap_interval_covers():
    """In 60 repetitions with a known AUROC the 95 % interval should miss it about three times."""
    truth, missed = torch.special.ndtr(torch.tensor(1 / math.sqrt(2))).item(), 0  # N(0, 1) against N(1, 1)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        inside, outside = rng.normal(0, 1, 80), rng.normal(1, 1, 120)
        value, low, high = bits.auroc_interval(inside, outside, resamples=200, seed=seed)
        assert low <= value <= high
        missed += not low <= truth <= high
    assert 1 <= missed <= 9


def test_bootstrap_interval_resamples_both_sets():
    """Its width is that of DeLong et al. 1988, from the ranks of each set in the other."""
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(0, 1, 300), rng.normal(1, 1, 200)
    wins = (outside[:, None] > inside).astype(float)
    variance = wins.mean(1).var(ddof=1) / 200 + wins.mean(0).var(ddof=1) / 300
    value, low, high = bits.auroc_interval(inside, outside)
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(variance), rel=0.1)
    assert bits.auroc_interval(inside, outside) == (value, low, high)


def test_mean_interval_is_the_normal_one():
    values = np.random.default_rng(1).normal(3, 2, 400)
    mean, low, high = bits.mean_interval(values)
    assert mean == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.959964 * values.std(ddof=1) / 20)
    assert bits.mean_interval([2.0, 2.0]) == (2, 2, 2) and bits.mean_interval([2.0]) == (2, -math.inf, math.inf)
    with pytest.raises(ValueError, match="no given scores"):
        bits.mean_interval([])


def test_normal_noise_is_each_images_own():
    images = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    noise = bits.normal_noise(images, (50, 10, 10))
    assert noise.shape == (3, 50, 10, 10) and noise.dtype == torch.float32
    assert noise.mean().abs() < 0.05 and (noise.std() - 1).abs() < 0.05
    assert torch.equal(bits.normal_noise(images[[2, 0]], (50, 10, 10)), noise[[2, 0]])
    assert not torch.equal(bits.normal_noise(images, (50, 10, 10), draw=1), noise)
    drawn = [bits.normal_noise(images, (4,), generator=torch.Generator().manual_seed(1)) for _ in range(2)]
    assert torch.equal(*drawn) and bits.normal_noise(images[:0], (4,)).shape == (0, 4)
