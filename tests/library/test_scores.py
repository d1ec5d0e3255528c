"""Anomaly scores, each against a case that can be worked out by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from likelab import scores
from likelab.models.glow import Glow
from likelab.models.vae import VAE


def pixels(*values):
    """Images of one pixel, uint8 (N, 1, 1, 1)."""
    return torch.tensor(values, dtype=torch.uint8)[:, None, None, None]


def grey(images):
    """A cost by hand: the grey level, as if it were bits/dim."""
    return images.float().mean((1, 2, 3)).numpy()


FOUR = pixels(0, 2, 5, 9)


def test_a_score_gives_one_finite_number_an_image():
    score = scores.Score("grey", grey, "bits/dim")
    assert score(FOUR).dtype == np.float64 and score(FOUR).tolist() == [0, 2, 5, 9]
    assert score(FOUR.numpy()).tolist() == [0, 2, 5, 9]
    assert score.tuned_on == "nothing" and score.unit == "bits/dim"
    with pytest.raises(ValueError, match=r"flat: give one number an image, \(4,\), not \(\)"):
        scores.Score("flat", lambda images: 1.0)(FOUR)
    with pytest.raises(ValueError, match="odd: 1 scores are not finite"):
        scores.Score("odd", lambda images: np.array([0, 1, np.nan, 2]))(FOUR)


def test_scores_of_one_or_two_costs():
    assert scores.likelihood_score(grey)(FOUR).tolist() == [0, 2, 5, 9]
    assert scores.typicality_score(grey, np.array([1, 3]))(FOUR).tolist() == [2, 0, 3, 7]
    assert scores.ratio_score(grey, lambda images: 3 * grey(images))(FOUR).tolist() == [0, -4, -10, -18]


@pytest.mark.parametrize(
    ("made", "tuned_on"),
    [
        (scores.likelihood_score(grey), "nothing"),
        (scores.typicality_score(grey, np.ones(2)), "training images"),
        (scores.file_size_score(("PNG",), 3.0), "held-out inside images"),
        (scores.file_size_score(("PNG",)), "outside images (cheating)"),
        (scores.dose_score(lambda images: grey(images)[:, None], FOUR), "held-out inside images"),
    ],
)
def test_what_a_score_was_tuned_on_is_part_of_it(made, tuned_on):
    assert made.tuned_on == tuned_on


def test_files_are_measured_in_bits_per_dimension():
    noise = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    length = [len(scores.file_of(image, "PNG")) for image in noise]
    assert np.allclose(scores.file_bits(noise, ("PNG",)), 8 * np.array(length) / 192)
    assert (scores.file_bits(noise, ("PNG", "WebP")) <= scores.file_bits(noise, ("PNG",))).all()
    lengths = lambda images, codecs: np.arange(len(images), dtype=float)  # noqa: E731
    assert scores.file_size_score(("PNG",), size=lengths)(FOUR).tolist() == [0, -1, -2, -3]
    assert scores.file_size_score(("PNG",), 2.0, size=lengths)(FOUR).tolist() == [2, 1, 0, 1]
    assert scores.complexity_score(grey, ("PNG",), size=lengths)(FOUR).tolist() == [0, 1, 3, 6]


def test_a_missing_format_is_named(monkeypatch, capsys):
    assert list(scores.at_hand_codecs())[0] == "PNG" and capsys.readouterr().out == ""
    monkeypatch.setattr(scores.features, "check", lambda name: name == "zlib")
    assert list(scores.at_hand_codecs()) == ["PNG"]
    assert "without JPEG 2000 and WebP" in capsys.readouterr().out


def test_waic_is_mean_and_variance_in_nats():
    members = [lambda images, k=k: k * grey(images) for k in (1, 3)]  # log p = −g and −3g, D = 2 bits each: × 2 log 2
    bit = 2 * math.log(2)
    expected = [2 * g * bit + (g * bit) ** 2 for g in (0, 2, 5, 9)]
    assert scores.waic_score(members, 2)(FOUR) == pytest.approx(expected)


def test_kernel_density_is_that_of_scipy_and_does_not_underflow():
    from scipy.stats import gaussian_kde

    rng = np.random.default_rng(0)
    known, asked = rng.normal(size=50), rng.normal(size=20)
    assert np.allclose(scores.kernel_log_density(known, asked), gaussian_kde(known).logpdf(asked))
    assert np.isfinite(scores.kernel_log_density(known, np.array([1e3]))).all()


def test_dose_adds_up_what_is_rare_in_each_statistic():
    both = lambda images: np.stack([grey(images), 0 * grey(images) + grey(images) ** 2], 1)  # noqa: E731
    made, levels = scores.dose_score(both, FOUR), np.array([0.0, 2.0, 5.0, 9.0])
    expected = -scores.kernel_log_density(levels, levels) - scores.kernel_log_density(levels**2, levels**2)
    assert made(FOUR) == pytest.approx(expected)
    assert made(pixels(250)) > made(FOUR).max()


def test_terms_of_a_flow_are_its_likelihood():
    torch.manual_seed(0)
    images = torch.randint(0, 256, (30, 1, 8, 8), dtype=torch.uint8)
    flow = Glow((1, 8, 8), steps=(1, 1), hidden=4)
    flow.initialise(images)
    terms = scores.flow_terms(flow.eval(), images)
    assert terms.shape == (30, 2, 2)
    with torch.no_grad():
        assert np.allclose(terms.sum((1, 2)) - 64 * math.log(256), flow.log_prob(images), atol=1e-3)
    assert scores.flow_statistics(np.array([[[1, 2], [4, 8]]])).tolist() == [[15, 5, 10]]
    assert scores.final_scale_score(lambda images: np.array([[[1, 2], [4, 8]]]))(FOUR[:1]).tolist() == [-12]


class Weights(nn.Module):
    """log p(x) = a x + b: its derivatives are x and 1."""

    def __init__(self):
        super().__init__()
        self.a, self.b = (nn.Parameter(torch.tensor(value)) for value in (2.0, 3.0))

    def log_prob(self, images):
        return self.a * images.float().flatten() + self.b


def test_gradient_norms_of_two_weights():
    norms = scores.log_gradient_norms(Weights(), pixels(3, 5))
    assert np.allclose(norms, [[math.log(9), 0], [math.log(25), 0]])
    score = scores.gradient_score(Weights(), pixels(3, 5))
    middle = pixels(4)  # log 16 lies between log 9 and log 25, near their mean
    assert score(middle) < score(pixels(3)) < score(pixels(200))
    assert score(pixels(3))[0] == pytest.approx(score(pixels(5))[0])  # one standard deviation away, both


def test_scores_of_logits():
    logits = lambda images: torch.tensor([[0, math.log(3)]]).expand(len(images), 2)  # noqa: E731
    assert scores.softmax_score(logits)(FOUR) == pytest.approx(-0.75)
    assert scores.energy_score(logits)(FOUR) == pytest.approx(-math.log(4))


def test_regret_of_a_decoder_that_ignores_its_latents_is_the_divergence_from_the_prior():
    torch.manual_seed(0)
    deaf = VAE((1, 4, 4), patch=4, latents=2, hidden=4, blocks=1).eval()
    for weight in deaf.parameters():
        nn.init.zeros_(weight)
    nn.init.ones_(deaf.encoder.net.linear.bias)
    nn.init.ones_(deaf.encoder.scale)  # q = N(1, 1) in both latents: ½ nat each
    images = torch.randint(0, 256, (3, 1, 4, 4), dtype=torch.uint8)
    score = scores.regret_score(deaf, steps=40, lr=0.1)
    assert score(images) == pytest.approx(1, abs=0.1) and score.unit == "nats"
    assert score(images)[1:] == pytest.approx(score(images[1:]), abs=1e-4)  # whatever comes with it in the batch
    assert scores.regret_score(deaf, steps=0)(images) == pytest.approx(0, abs=1e-6)


def test_local_dimension_counts_the_ways_a_generator_moves():
    thin = lambda z: torch.stack([2 * z[0], 0.01 * z[1] + z[0]])  # noqa: E731
    z = torch.zeros(3, 2)
    assert scores.generator_dimension(thin, z, 0.1).tolist() == [1, 1, 1]
    assert scores.generator_dimension(thin, z, 0.001).tolist() == [2, 2, 2]
