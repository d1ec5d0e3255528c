"""The exact case: the full-covariance Gaussian against other people's Gaussians."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from likelab import bits, contracts
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
    model.eigenvalues.fill_(4)
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


def test_many_images_are_taken_in_batches(images):
    """More images than one batch holds, mirrored: the covariance is numpy's all the same."""
    many = images.repeat(4, 1, 1, 1)[:1150]
    model = Gaussian(shape=(3, 4, 2)).fit(many)
    both = torch.cat([many, many.flip(3)]).flatten(1).double().numpy()
    found = model.eigenvectors * model.eigenvalues @ model.eigenvectors.T
    assert np.allclose(found, np.cov(both.T, bias=True)) and np.allclose(model.mean, both.mean(0) + 0.5)


def test_noise_of_samples_follows_the_temperature(images):
    model = Gaussian(shape=(3, 4, 2)).fit(images)
    cold = model.sample(10, temperature=0)
    assert (cold == cold[:1]).all() and torch.equal(cold[0].flatten(), model.mean.floor().to(torch.uint8))
    assert model.sample(3, generator=torch.Generator().manual_seed(1)).float().var(0).mean() > 100


def test_it_keeps_the_contract_and_draws_nothing(images):
    model = Gaussian(shape=(3, 4, 2)).fit(images)
    assert isinstance(model, contracts.DensityModel)
    own, generator = model.log_prob(images), torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert torch.equal(model.log_prob(images, draws=3, generator=generator), own)
    assert torch.equal(generator.get_state(), before)
    assert torch.equal(model.log_prob(images.numpy()), own)


def test_few_images_and_none(images):
    model = Gaussian(shape=(3, 4, 2)).fit(images[:1])
    assert model.log_prob(images).isfinite().all()
    assert model.log_prob(images[:0]).shape == (0,) and model.sample(0).shape == (0, 3, 4, 2)
    before = model.mean.clone()
    with pytest.raises(ValueError, match="no images to fit to"):
        model.fit(images[:0])
    assert torch.equal(model.mean, before)


@pytest.mark.parametrize(
    "action, error, words",
    [
        (lambda: Gaussian().log_prob(torch.zeros(2, 1, 32, 32, dtype=torch.uint8)), ValueError, "built for"),
        (lambda: Gaussian((1, 2, 2)).fit(torch.rand(4, 1, 2, 2)), TypeError, "uint8"),
        (lambda: Gaussian((1, 2, 2)).sample(1, temperature=math.nan), ValueError, "temperature is nan"),
    ],
)
def test_bad_input(action, error, words):
    with pytest.raises(error, match=words):
        action()
