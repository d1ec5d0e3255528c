"""The exact case: the full-covariance Gaussian against other people's Gaussians."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from likelab import bits
from likelab.models.gaussian import Gaussian


@pytest.fixture(scope="module")
def images():
    return torch.randint(0, 256, (300, 3, 4, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("ridge", [0, 1.5])
def test_density_is_scipys(images, ridge):
    model = Gaussian(shape=(3, 4, 2)).fit(images, mirror=False)
    model.ridge.fill_(ridge)
    x = images.flatten(1).double().numpy()
    covariance = np.cov(x.T, bias=True) + (1 / 12 + ridge**2) * np.eye(24)
    y = bits.dequantise(images[:20]).double()
    expected = multivariate_normal(x.mean(0) + 0.5, covariance).logpdf(y.flatten(1).numpy())
    assert torch.allclose(model.log_density(y), torch.from_numpy(expected))


def test_mirror_images_count(images):
    model = Gaussian(shape=(3, 4, 2)).fit(images)
    mean = model.mean.reshape(3, 4, 2)
    assert torch.allclose(mean, mean.flip(2))


def test_log_prob_is_the_mean_over_the_noise(images):
    model = Gaussian(shape=(3, 4, 2))  # variances near 1: the noise matters
    model.mean.fill_(100)
    x = torch.full((1, 3, 4, 2), 100, dtype=torch.uint8)
    noise = torch.rand(40_000, 3, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    draws = model.log_density(x + noise)
    assert abs(draws.mean() - model.log_prob(x)) < 5 * draws.std() / 200


def test_bound_is_below_the_probability(images):
    """In one dimension P(x) is a difference of the normal distribution function."""
    model = Gaussian(shape=(1, 1, 1))
    model.mean.fill_(50)
    model.spread.fill_(4)
    x = torch.arange(40, 60, dtype=torch.uint8).reshape(-1, 1, 1, 1)
    normal = torch.distributions.Normal(50.0, math.sqrt(4 + 1 / 12))
    exact = (normal.cdf(x.flatten() + 1.0) - normal.cdf(x.flatten() + 0.0)).log()
    assert (model.log_prob(x) < exact).all()
    assert (exact - model.log_prob(x))[8:12].max() < 0.02  # near the mean the bound is tight


def test_samples_have_the_moments(images):
    model = Gaussian(shape=(3, 4, 2)).fit((images // 4) + 96, mirror=False)
    drawn = model.sample(20_000, generator=torch.Generator().manual_seed(2)).flatten(1).double()
    assert (drawn.mean(0) + 0.5 - model.mean).abs().max() < 1
    assert (torch.cov(drawn.T) - torch.cov(((images // 4) + 96).flatten(1).double().T)).abs().max() < 25


def test_wrong_channels_are_named():
    with pytest.raises(ValueError, match="1 channels, but this model was built for 3"):
        Gaussian().log_prob(torch.zeros(2, 1, 32, 32, dtype=torch.uint8))
