"""The model without a likelihood: its game can be repeated, and the experiment's game is the one of the theory."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from likelab.explore.gallery.two_densities import best_discriminator, measure
from likelab.models.gan import GAN, LatentEncoder, play, residuals

SHAPE = (3, 8, 8)
IMAGES = torch.randint(0, 256, (40, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def played(seed=0, **options):
    torch.manual_seed(0)
    gan = GAN(SHAPE, latents=4, channels=4)
    return gan, play(gan, IMAGES, steps=3, batch_size=8, seed=seed, **options)


def test_a_game_is_repeated_by_its_seed():
    (first, losses), (second, again), (_, other) = played(), played(), played(seed=1)
    assert losses == again and losses != other and len(losses) == 3
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_watching_changes_nothing_and_sees_evaluation_mode():
    seen = []
    gan, losses = played(every=2, watch=lambda step, model: seen.append((step, model.training, model.score(IMAGES))))
    assert [entry[:2] for entry in seen] == [(0, False), (2, False), (3, False)] and not gan.training
    assert losses == played()[1]
    assert torch.equal(seen[-1][2], gan.score(IMAGES))


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match="built for"):
        play(GAN((3, 16, 16), latents=4, channels=4), IMAGES, steps=1)


def test_an_encoder_gives_a_latent_for_each_image_and_residuals_a_number():
    gan, _ = played()
    encoder = LatentEncoder(SHAPE, gan.latents, 4)
    z = encoder(torch.zeros(5, *SHAPE))
    assert z.shape == (5, 4) and all(part.shape == (5,) for part in residuals(gan, IMAGES[:5], z))


@pytest.mark.parametrize(("centre", "width"), [(3, 1.0), (-2, 0.5), (1, 2.0)])
def test_the_saturating_push_is_down_the_divergence(centre, width):
    ahead, behind = (measure(centre + step, width)["divergence"] for step in (1e-4, -1e-4))
    assert math.isclose(measure(centre, width)["saturating"], -2 * (ahead - behind) / 2e-4, rel_tol=1e-5)


def test_least_hinge_is_two_minus_twice_the_total_variation():
    for centre in (0, 1, 3.5):
        variation = 2 * stats.norm.cdf(centre / 2) - 1
        assert math.isclose(measure(centre, 1.0)["hinge"], 2 - 2 * variation, abs_tol=1e-4)


def test_both_pushes_together_are_the_mean_slope_of_the_log_ratio():
    found = measure(2, 1.0)
    assert math.isclose(found["saturating"] + found["non-saturating"], -2, rel_tol=1e-6)
    assert np.isclose(best_discriminator(1.0, 2, 1.0), 0.5)
