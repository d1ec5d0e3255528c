"""The VAE's pieces and the whole, over random weights and shapes, in float64 against other ways to the same number."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from likelab import bits, contracts, training
from likelab.models.vae import (
    VAE,
    discretised_logistic,
    from_patches,
    importance_bound,
    kl_to_standard_normal,
    to_grey_levels,
    to_patches,
)

SHAPES = [((3, 8, 8), 4), ((1, 6, 4), 2), ((3, 3, 5), 1)]


def images(n, shape, seed=0):
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def perturbed(shape=(3, 8, 8), patch=4, seed=0, size=0.1, **options):
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
    model, x8 = perturbed(shape, patch, seed=sum(shape)), images(5, shape)
    with torch.no_grad():
        x = x8.double() / 127.5 - 1
        mean, log_std = model.encoder(x)
        q, prior = Normal(mean, log_std.exp()), Normal(torch.zeros((), dtype=torch.float64), 1.0)
        z = mean + log_std.exp() * bits.normal_noise(x8, model.latent_shape).double()
        mu, log_scale = model.decoder(z)
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
    model, x8 = perturbed(), images(20, (3, 8, 8))
    with torch.no_grad():
        weights = model.log_weights(x8, 64)
        elbo, iw8, iw64 = (importance_bound(weights, k) for k in (1, 8, 64))
        assert (elbo <= iw8).all() and (iw8 <= iw64).all()
        assert torch.equal(model.log_prob_iw(x8), iw64)
        analytic = model.log_prob(x8, draws=64)
    error = (elbo - analytic).mean()
    assert error.abs() < 4 * (weights.std(0) / 8).pow(2).sum().sqrt() / 20


def test_log_prob_depends_on_neither_batch_nor_order():
    model, x8 = perturbed(), images(6, (3, 8, 8))
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
    found = (model.decoder.net.linear.weight[:, :, 0, 0] * model.decoder.scale[:, 0, 0]).detach()
    assert torch.allclose(found @ found.T, weight @ weight.T, atol=3e-3)
    with torch.no_grad():
        mean, log_std = model.encoder(model.scaled(to_grey_levels(pictures)))
    averaged = mean.pow(2).mean((0, 2, 3)) + (2 * log_std).exp().mean((0, 2, 3))
    assert (averaged - 1).abs().max() < 0.05, "on average over the data the posterior is the prior"


def test_samples_are_images_and_follow_the_generator():
    model = perturbed()
    draws = [model.sample(4, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert draws[0].shape == (4, 3, 8, 8) and draws[0].dtype == torch.uint8
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def test_pixels_of_samples_follow_the_likelihood():
    """One pixel, a decoder that says the same whatever the latent: levels come out as often as stated."""
    model = VAE((1, 1, 1), patch=1, latents=1, hidden=2, blocks=1).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.decoder.net.linear.bias.fill_(0.9)
        model.decoder.net.deep[-1].bias[1] = -2.0
    found = torch.bincount(
        model.sample(50_000, generator=torch.Generator().manual_seed(0)).flatten().long(), minlength=256
    )
    grey = torch.linspace(-1, 1, 256, dtype=torch.float64)
    p = discretised_logistic(grey, torch.tensor(0.9).double(), torch.tensor(-2.0).double()).exp()
    often = p * 50_000 > 20
    chi2 = ((found - 50_000 * p)[often] ** 2 / (50_000 * p[often])).sum().item()
    assert abs(chi2 - often.sum()) < 5 * math.sqrt(2 * often.sum())
    assert found[255] > 5000, "the last level collects what lies beyond"


@pytest.mark.parametrize("shape, side", [((2, 3, 8, 4), 4), ((1, 1, 6, 9), 3), ((4, 5, 3, 7), 1)], ids=str)
def test_patches_are_pytorchs_and_come_back(shape, side):
    x = torch.arange(float(math.prod(shape))).reshape(shape)
    assert torch.equal(to_patches(x, side), torch.pixel_unshuffle(x, side))
    assert torch.equal(from_patches(to_patches(x, side), side), x)
    none = to_patches(x[:0], side)
    assert none.shape[1:] == to_patches(x, side).shape[1:] and from_patches(none, side).shape == x[:0].shape


SMALL = {"shape": (3, 8, 8), "latents": 3, "hidden": 4, "blocks": 1}


def test_it_keeps_the_contracts():
    model = VAE(**SMALL)
    assert isinstance(model, contracts.DensityModel) and isinstance(model, contracts.DataDependent)


def test_no_images_give_no_numbers_and_arrays_are_taken():
    model, x8 = perturbed().float(), images(4, (3, 8, 8))
    none = x8[x8[:, 0, 0, 0] > 255]
    assert model.log_prob(none).shape == model.log_prob_iw(none, draws=2).shape == (0,)
    assert model.sample(0).shape == (0, 3, 8, 8)
    assert torch.equal(model.log_prob(x8.numpy()), model.log_prob(x8))
    backwards = x8.numpy()[:, :, ::-1]
    assert torch.equal(model.log_prob(backwards), model.log_prob(x8.flip(2)))


def test_noise_is_new_in_training_mode_and_the_images_own_in_evaluation_mode():
    model, x8 = perturbed(), images(4, (3, 8, 8))
    for score in (model.log_prob, model.log_prob_iw, lambda x: model.rate_and_distortion(x)[1]):
        model.train()
        assert not torch.equal(score(x8), score(x8))
        model.eval()
        assert torch.equal(score(x8), score(x8))


def test_draws_are_averaged_and_may_be_of_numpy():
    model, x8 = perturbed(), images(4, (3, 8, 8))
    one_by_one = [-sum(model.rate_and_distortion(x8, draw=np.int64(draw))) for draw in range(3)]
    assert torch.allclose(model.log_prob(x8, draws=np.int64(3)), sum(one_by_one) / 3)


def test_a_trained_model_is_not_started_again():
    """Weights that were trained, stored and loaded: a step that changes nothing leaves every score as it was."""
    train, validation = images(64, (3, 8, 8)), images(8, (3, 8, 8), seed=1)
    first, again = VAE(**SMALL), VAE(**SMALL)
    training.fit(first, train, validation, steps=20, batch_size=4, evaluations=1)
    again.load_state_dict(first.state_dict())
    before = training.evaluate(first, validation)
    training.fit(again, train, validation, steps=1, lr=1e-12, evaluations=1)
    assert torch.allclose(training.evaluate(again, validation), before, atol=1e-6)


def test_a_second_start_sets_the_same_parts_anew_and_says_so():
    model = VAE(**SMALL)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.initialise(images(20, (3, 8, 8)))
    first = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.warns(UserWarning, match="VAE was initialised before") as warned:
        model.initialise(images(20, (3, 8, 8), seed=1))
    assert warned[0].filename == __file__
    differ = [
        {name for name in after if not torch.equal(after[name], before[name]) and name != "initialised"}
        for before, after in ((fresh, first), (first, model.state_dict()))
    ]
    assert differ[0] == differ[1] and "decoder.scale" in differ[0]


@pytest.mark.parametrize("shape, patch, latents", [((3, 4, 4), 4, 40), ((3, 8, 8), 4, 48), ((1, 2, 2), 1, 1)], ids=str)
@pytest.mark.parametrize("kind", ["one image", "a constant image", "grey in three channels", "one image many times"])
def test_the_start_is_finite_for_degenerate_images(kind, shape, patch, latents):
    x8 = images(1, shape)
    x8 = {
        "one image": x8,
        "a constant image": torch.full_like(x8, 255),
        "grey in three channels": images(30, shape)[:, :1].repeat(1, shape[0], 1, 1),
        "one image many times": x8.repeat(30, 1, 1, 1),
    }[kind]
    model = VAE(shape, patch, latents, hidden=4, blocks=1)
    model.initialise(x8)
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert model.eval().log_prob(images(3, shape, seed=1)).isfinite().all() and model.sample(2).shape == (2, *shape)


@pytest.mark.parametrize(
    "action, error, words",
    [
        (lambda: VAE(**SMALL).log_prob(torch.zeros(1, 3, 8, 8)), TypeError, "not scaled to"),
        (lambda: VAE(**SMALL).log_prob(images(1, (1, 8, 8))), ValueError, r"built for \(3, 8, 8\)"),
        (lambda: VAE(**SMALL).log_prob(images(1, (3, 8, 12))), ValueError, r"built for \(3, 8, 8\)"),
        (lambda: VAE(**SMALL).log_prob(images(1, (3, 8, 8))[0]), ValueError, r"images\[None\]"),
        (lambda: VAE(**SMALL).log_prob(images(1, (3, 8, 8)), draws=0), ValueError, "draws is 0"),
        (lambda: VAE(**SMALL).log_prob_iw(images(1, (3, 8, 8)), draws=-1), ValueError, "draws is -1"),
        (lambda: VAE(**SMALL).initialise(images(0, (3, 8, 8))), ValueError, "at least one"),
        (lambda: VAE(**SMALL).sample(1, temperature=-1), ValueError, "temperature is -1"),
        (lambda: VAE(**SMALL).sample(1, temperature=math.nan), ValueError, "temperature is nan"),
        (lambda: VAE((3, 10, 8)), ValueError, "do not tile"),
        (lambda: VAE((1, 8, 8), latents=17), ValueError, "1 to 16"),
        (lambda: VAE((1, 8, 8), latents=0), ValueError, "1 to 16"),
        (lambda: importance_bound(torch.zeros(64, 1), 5), ValueError, "groups of 5"),
        (lambda: importance_bound(torch.zeros(64, 1), 0), ValueError, "groups of 0"),
    ],
)
def test_bad_input(action, error, words):
    with pytest.raises(error, match=words):
        action()
