"""The VAE's pieces and the whole, over random weights and shapes, in float64 against other ways to the same number."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from likelab import bits
from likelab.models.vae import VAE, discretised_logistic, importance_bound, kl_to_standard_normal, to_grey_levels

SHAPES = [((3, 8, 8), 4), ((1, 6, 4), 2), ((3, 3, 5), 1)]


def images(n, shape, seed=0):
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def shaken(shape=(3, 8, 8), patch=4, seed=0, size=0.1, **options):
    """A small VAE in float64, started from data, with every weight moved at random."""
    torch.manual_seed(seed)
    model = VAE(shape, patch, **({"latents": 2, "hidden": 6, "blocks": 1} | options))
    model.initialise(images(64, shape, seed + 100))
    model = model.double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(size * torch.randn_like(weight))
    return model


@pytest.mark.parametrize("levels", [2, 4, 256])
@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-9), (torch.float32, 2e-4)])
def test_probabilities_of_the_levels_sum_to_one(levels, dtype, tolerance):
    generator = torch.Generator().manual_seed(levels)
    mean = 3 * torch.rand(500, generator=generator, dtype=dtype) - 1.5
    log_scale = 9 * torch.rand(500, generator=generator, dtype=dtype) - 7
    grey = torch.linspace(-1, 1, levels, dtype=dtype)[:, None]
    log_p = discretised_logistic(grey, mean, log_scale, levels)
    assert log_p.isfinite().all() and (log_p <= 0).all()
    assert (log_p.exp().sum(0) - 1).abs().max() < tolerance


def test_bins_are_differences_of_the_distribution_function():
    mean, scale = torch.tensor(0.2, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)
    grey = torch.arange(128, 255, dtype=torch.float64) / 127.5 - 1
    mass = torch.sigmoid((grey + 1 / 255 - mean) / scale) - torch.sigmoid((grey - 1 / 255 - mean) / scale)
    assert torch.allclose(discretised_logistic(grey, mean, scale.log()), mass.log(), atol=1e-9)
    white = discretised_logistic(torch.ones((), dtype=torch.float64), mean, scale.log())
    assert white.item() == pytest.approx(math.log(torch.sigmoid(-(1 - 1 / 255 - mean) / scale)))


def test_far_from_the_bell_the_gradient_still_points_home():
    mean = torch.tensor(-1.0, requires_grad=True)
    log_p = discretised_logistic(torch.tensor(0.9), mean, torch.tensor(-7.0))
    (slope,) = torch.autograd.grad(log_p, mean)
    assert log_p.isfinite() and slope.isfinite() and slope > 0


@pytest.mark.parametrize("seed", range(5))
def test_kl_is_the_mean_over_draws(seed):
    torch.manual_seed(seed)
    mean, log_std = torch.randn(20, dtype=torch.float64), torch.randn(20, dtype=torch.float64)
    closed = kl_to_standard_normal(mean, log_std)
    assert torch.allclose(closed, kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)))
    noise = torch.randn(100_000, 20, dtype=torch.float64)
    draws = -0.5 * noise**2 - log_std + 0.5 * (mean + log_std.exp() * noise) ** 2
    assert ((closed - draws.mean(0)).abs() < 5 * draws.std(0) / 100_000**0.5).all()


@pytest.mark.parametrize("seed", range(4))
def test_bounds_order_below_an_exact_likelihood(seed):
    """A linear-Gaussian model of random size: ELBO ≤ IW-8 ≤ IW-64 image by image, IW-64 ≤ log p in the mean."""
    torch.manual_seed(seed)
    dims, latents, noise = 6 + 5 * seed, 2 + seed, 0.3 + 0.2 * seed
    weight, bias = torch.randn(dims, latents).double(), torch.randn(dims).double()
    exact = MultivariateNormal(bias, weight @ weight.T + noise**2 * torch.eye(dims))
    x = exact.sample((1000,))
    covariance = torch.linalg.inv(torch.eye(latents) + weight.T @ weight / noise**2)
    mean = (x - bias) @ weight @ covariance / noise**2

    def log_weights(q):
        z = q.sample((64,))
        likelihood = Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
        return Normal(0.0, 1.0).log_prob(z).sum(-1) + likelihood - q.log_prob(z)

    spoilt = log_weights(MultivariateNormal(mean + 0.3 * covariance.diag().sqrt(), 1.3 * covariance))
    elbo, iw8, iw64 = (importance_bound(spoilt, k) for k in (1, 8, 64))
    assert (elbo <= iw8 + 1e-9).all() and (iw8 <= iw64 + 1e-9).all()
    above = iw64 - exact.log_prob(x)
    assert above.mean() < 4 * above.std() / 1000**0.5
    kl = kl_divergence(
        MultivariateNormal(mean + 0.3 * covariance.diag().sqrt(), 1.3 * covariance),
        exact_q := (MultivariateNormal(mean, covariance)),
    ).mean()
    lost = exact.log_prob(x) - elbo
    assert (lost.mean() - kl).abs() < 4 * lost.std() / 1000**0.5, "the ELBO loses the KL to the posterior"
    perfect = log_weights(exact_q)
    for k in (1, 8, 64):
        assert (importance_bound(perfect, k) - exact.log_prob(x)).abs().max() < 1e-6


def test_importance_bound_averages_weights():
    weights = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], dtype=torch.float64)
    pairs = weights.log()
    assert torch.allclose(importance_bound(pairs, 4), torch.tensor([4.0, 5.0]).double().log())
    two = 0.5 * (torch.tensor([2.0, 3.0]).log() + torch.tensor([6.0, 7.0]).log())
    assert torch.allclose(importance_bound(pairs, 2), two.double())
    assert torch.allclose(importance_bound(pairs, 1), pairs.mean(0))


@pytest.mark.parametrize("shape, patch", SHAPES, ids=str)
def test_log_prob_is_minus_rate_minus_distortion(shape, patch):
    model, x8 = shaken(shape, patch, seed=sum(shape)), images(5, shape)
    with torch.no_grad():
        x = x8.double() / 127.5 - 1
        mean, log_std = model.encode(x)
        q, prior = Normal(mean, log_std.exp()), Normal(torch.zeros((), dtype=torch.float64), 1.0)
        z = mean + log_std.exp() * bits.normal_noise(x8, model.latent_shape).double()
        mu, log_scale = model.decode(z)
        above = torch.where(x8 == 255, 1.0, torch.sigmoid((x + 1 / 255 - mu) / log_scale.exp()))
        below = torch.where(x8 == 0, 0.0, torch.sigmoid((x - 1 / 255 - mu) / log_scale.exp()))
        likelihood = (above - below).log().sum((1, 2, 3))
        elbo = likelihood - kl_divergence(q, prior).sum((1, 2, 3))
        weight = likelihood + (prior.log_prob(z) - q.log_prob(z)).sum((1, 2, 3))
        rate, distortion = model.rate_and_distortion(x8)
        assert torch.allclose(model.log_prob(x8), elbo, atol=1e-5) and torch.allclose(rate + distortion, -elbo)
        assert torch.allclose(model.log_weights(x8, 1)[0], weight, atol=1e-5)
        assert model.log_prob(x8).shape == (5,)


def test_elbo_is_the_mean_log_weight_and_the_bounds_order():
    model, x8 = shaken(), images(20, (3, 8, 8))
    with torch.no_grad():
        weights = model.log_weights(x8, 64)
        elbo, iw8, iw64 = (importance_bound(weights, k) for k in (1, 8, 64))
        assert (elbo <= iw8).all() and (iw8 <= iw64).all()
        assert torch.equal(model.log_prob_iw(x8), iw64)
        analytic = model.log_prob(x8, draws=64)
    error = (elbo - analytic).mean()
    assert error.abs() < 4 * (weights.std(0) / 8).pow(2).sum().sqrt() / 20


def test_log_prob_depends_on_neither_batch_nor_order():
    model, x8 = shaken(), images(6, (3, 8, 8))
    with torch.no_grad():
        whole = model.log_prob(x8)
        assert torch.allclose(model.log_prob(x8[[4, 1]]), whole[[4, 1]], rtol=1e-12)
        drawn = [model.log_prob(x8, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
        assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_start_is_the_best_linear_model():
    """Patches drawn from a linear model: the start finds its covariance, and the encoder its posterior."""
    generator = torch.Generator().manual_seed(0)
    weight = 0.12 * torch.randn(12, 3, generator=generator)
    patches = torch.randn(4000, 4, 3, generator=generator) @ weight.T + 0.05 * torch.randn(
        4000, 4, 12, generator=generator
    )
    pictures = torch.pixel_shuffle(patches.transpose(1, 2).reshape(4000, 12, 2, 2), 2)
    model = VAE((3, 4, 4), patch=2, latents=3, hidden=4, blocks=1)
    model.initialise(to_grey_levels(pictures))
    found = (model.decoder.linear.weight[:, :, 0, 0] * model.spread[:, 0, 0]).detach()
    assert torch.allclose(found @ found.T, weight @ weight.T, atol=3e-3)
    with torch.no_grad():
        mean, log_std = model.encode(model.scaled(to_grey_levels(pictures)))
    averaged = mean.pow(2).mean((0, 2, 3)) + (2 * log_std).exp().mean((0, 2, 3))
    assert (averaged - 1).abs().max() < 0.05, "on average over the data the posterior is the prior"


def test_samples_are_images_and_follow_the_generator():
    model = shaken()
    draws = [model.sample(4, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert draws[0].shape == (4, 3, 8, 8) and draws[0].dtype == torch.uint8
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def test_pixels_of_samples_follow_the_likelihood():
    """One pixel, a decoder that says the same whatever the latent: levels come out as often as stated."""
    model = VAE((1, 1, 1), patch=1, latents=1, hidden=2, blocks=1).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.decoder.linear.bias.fill_(0.9)
        model.decoder.deep[-1].bias[1] = -2.0
    found = torch.bincount(
        model.sample(50_000, generator=torch.Generator().manual_seed(0)).flatten().long(), minlength=256
    )
    grey = torch.linspace(-1, 1, 256, dtype=torch.float64)
    p = discretised_logistic(grey, torch.tensor(0.9).double(), torch.tensor(-2.0).double()).exp()
    often = p * 50_000 > 20
    chi2 = ((found - 50_000 * p)[often] ** 2 / (50_000 * p[often])).sum().item()
    assert abs(chi2 - often.sum()) < 5 * math.sqrt(2 * often.sum())
    assert found[255] > 5000, "the last level collects what lies beyond"


SMALL = {"shape": (3, 8, 8), "latents": 3, "hidden": 4, "blocks": 1}


@pytest.mark.parametrize(
    "action, error, words",
    [
        (lambda: VAE(**SMALL).log_prob(torch.zeros(1, 3, 8, 8)), TypeError, "not scaled to"),
        (lambda: VAE(**SMALL).log_prob(images(1, (1, 8, 8))), ValueError, "built for 3"),
        (lambda: VAE(**SMALL).log_prob(images(1, (3, 8, 12))), ValueError, "built for"),
        (lambda: VAE(**SMALL).log_prob(images(1, (3, 8, 8))[0]), ValueError, "batch dimension"),
        (lambda: VAE((3, 10, 8)), ValueError, "do not tile"),
        (lambda: VAE((1, 8, 8), latents=17), ValueError, "at most 16"),
        (lambda: importance_bound(torch.zeros(64, 1), 5), ValueError, "groups of 5"),
    ],
)
def test_bad_input(action, error, words):
    with pytest.raises(error, match=words):
        action()
