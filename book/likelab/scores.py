"""Exported from book/11_remedies.ipynb, the chapter that explains it: edit that, then `make export`."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image, features
from torch import Tensor, nn

from likelab import bits
from likelab.models.glow import Glow, squeeze
from likelab.models.vae import VAE, discretised_logistic, kl_to_standard_normal

NOTHING, TRAINING = "nothing", "training images"
HELD_OUT, OUTSIDE = "held-out inside images", "outside images (cheating)"


@dataclass(frozen=True)
class Score:
    """An anomaly score: score(images) -> float64 (N,), higher is stranger.

    function: uint8 images (N, C, H, W) -> (N,). unit: "bits/dim", "nats", or "" for a
    bare number. tuned_on: the images that set its numbers, beside those that its models
    were trained on.
    """

    name: str
    function: Callable
    unit: str = ""
    tuned_on: str = NOTHING

    def __call__(self, images: Tensor) -> np.ndarray:
        """Scores of uint8 images (N, C, H, W): (N,).

        Raises ValueError for another shape, or what is not finite.
        """
        values = np.asarray(self.function(bits.as_images(images)), dtype=np.float64)
        if values.shape != (len(images),):
            raise ValueError(f"{self.name}: give one number an image, ({len(images)},), not {values.shape}")
        if not np.isfinite(values).all():
            raise ValueError(f"{self.name}: {np.sum(~np.isfinite(values))} scores are not finite")
        return values


def likelihood_score(cost: Callable, name: str = "likelihood") -> Score:
    """Bits per dimension itself.

    cost: uint8 images -> bits/dim (N,), as are all arguments of that name below.
    """
    return Score(name, cost, "bits/dim")


def typicality_score(cost: Callable, reference: np.ndarray, name: str = "typicality") -> Score:
    """|cost − mean cost of training images|. Nalisnick et al. 2019b, eq. 4, one image.

    reference: their bits/dim (M,). Score of a batch: the same of the batch's mean cost.
    """
    centre = float(np.mean(reference))
    return Score(
        name,
        lambda images: np.abs(np.asarray(cost(images)) - centre),
        "bits/dim",
        TRAINING,
    )


def ratio_score(cost: Callable, background: Callable, name: str = "ratio", tuned_on: str = NOTHING) -> Score:
    """log p_background − log p, in bits/dim: what the model does not save over it.

    Ren et al. 2019.
    """
    return Score(
        name,
        lambda images: np.asarray(cost(images)) - np.asarray(background(images)),
        "bits/dim",
        tuned_on,
    )


CODECS = {  # what Pillow is told, so that nothing is lost
    "PNG": {"format": "PNG", "optimize": True},
    "JPEG 2000": {"format": "JPEG2000", "irreversible": False, "no_jp2": True},
    "WebP": {"format": "WEBP", "lossless": True},
}


def at_hand_codecs() -> dict:
    """The formats of CODECS that this machine's Pillow can write.

    The others are named in a printed line.
    """
    needs = {"JPEG 2000": "jpg_2000", "WebP": "webp"}
    found = {name: options for name, options in CODECS.items() if features.check(needs.get(name, "zlib"))}
    if missing := [name for name in CODECS if name not in found]:
        print(f"Pillow was built without {' and '.join(missing)} here: their rows are missing. pip's Pillow has both.")
    return found


def file_of(image: Tensor, codec: str) -> bytes:
    """The file of one uint8 image (C, H, W) in a format of CODECS, header included."""
    held, pixels = io.BytesIO(), image.permute(1, 2, 0).numpy().squeeze()
    Image.fromarray(np.ascontiguousarray(pixels)).save(held, **CODECS[codec])
    return held.getvalue()


def file_bits(images: Tensor, codecs: tuple) -> np.ndarray:
    """Bits/dim of the shortest file among some formats. uint8 (N, C, H, W) -> (N,)."""
    shortest = [min(len(file_of(image, codec)) for codec in codecs) for image in images]
    return 8 * np.array(shortest, dtype=np.float64) / images[0].numel()


def complexity_score(cost: Callable, codecs: tuple, name: str = "input complexity", size=file_bits) -> Score:
    """cost − length of the shortest file, bits/dim. Serrà et al. 2020, eq. 1.

    size: images, codecs -> bits/dim.
    """
    return Score(name, lambda images: np.asarray(cost(images)) - size(images, codecs), "bits/dim")


def file_size_score(codecs: tuple, centre: float | None = None, name: str = "file size", size=file_bits) -> Score:
    """No model: minus the file's length, so that short is strange. bits/dim.

    centre: mean length of inside images; the score is then the distance to it. Without
    one the score's sign was chosen by somebody who knew the outside.
    """
    if centre is None:
        return Score(name, lambda images: -size(images, codecs), "bits/dim", OUTSIDE)
    return Score(name, lambda images: np.abs(size(images, codecs) - centre), "bits/dim", HELD_OUT)


def waic_score(costs: list[Callable], dims: int, name: str = "WAIC") -> Score:
    """−mean + variance of log p over an ensemble, nats. costs: one a member.

    Choi et al. 2018, section 3.
    """

    def waic(images):
        log_p = -np.stack([np.asarray(cost(images), dtype=np.float64) for cost in costs]) * dims * math.log(2)
        return log_p.var(0) - log_p.mean(0)

    return Score(name, waic, "nats")


def kernel_log_density(reference: np.ndarray, values: np.ndarray) -> np.ndarray:
    """log of a Gaussian kernel density estimate from reference (M,).

    At values (N,) -> (N,). Width by Scott's rule. Computed by logarithms, so that far
    outside it falls like a parabola instead of to −∞.
    """
    width = np.std(reference, ddof=1) * len(reference) ** -0.2
    away = -0.5 * ((values[:, None] - reference[None]) / width) ** 2
    return np.logaddexp.reduce(away, 1) - math.log(len(reference) * width * math.sqrt(2 * math.pi))


def dose_score(statistics: Callable, reference: Tensor, name: str = "DoSE") -> Score:
    """−Σ log density of each statistic. Morningstar et al. 2021.

    statistics: images -> (N, K); reference: inside images.
    """
    known = np.asarray(statistics(reference), dtype=np.float64)

    def rarity(images):
        found = np.asarray(statistics(images), dtype=np.float64)
        return -sum(kernel_log_density(known[:, k], found[:, k]) for k in range(known.shape[1]))

    return Score(name, rarity, "nats", HELD_OUT)


@torch.no_grad()
def flow_terms(model: Glow, images: Tensor) -> np.ndarray:
    """log p level by level, nats: the latent term and the volume term.

    uint8 (N, C, H, W) -> (N, levels, 2). All of them together are log_prob, but for the
    log 256 of each dimension that brings it to the scale 0 to 256.
    """
    found = []
    for batch in images.split(100):
        h, rows = model.centred(bits.dequantise(batch)), []
        for k, flow in enumerate(model.levels):
            h, volume = flow.forward_and_log_det(squeeze(h))
            latent = h
            if k < len(model.splits):
                (h, latent), more = model.splits[k].forward_and_log_det(h)
                volume = volume + more
            rows.append(torch.stack([model.log_prior([latent]), volume], 1))
        found.append(torch.stack(rows, 1).double())
    return torch.cat(found).numpy()


def flow_statistics(terms: np.ndarray) -> np.ndarray:
    """log p, latent term and volume term, nats.

    From flow_terms: (N, levels, 2) -> (N, 3).
    """
    latent, volume = terms.sum(1).T
    return np.stack([latent + volume, latent, volume], 1)


def final_scale_score(terms: Callable, name: str = "final scale") -> Score:
    """−log p of the last level alone, nats. Schirrmeister et al. 2020.

    terms: images -> (N, levels, 2).
    """
    return Score(name, lambda images: -terms(images)[:, -1].sum(1), "nats")


def log_gradient_norms(model: nn.Module, images: Tensor) -> np.ndarray:
    """log ‖∂ log p(x) / ∂θ_l‖² of each tensor of weights, one image at a time.

    uint8 (N, C, H, W) -> (N, L).
    """
    rows, weights = [], list(model.parameters())
    for image in images:
        gradients = torch.autograd.grad(model.log_prob(image[None]).sum(), weights)
        rows.append([gradient.double().square().sum().item() for gradient in gradients])
    return np.log(np.array(rows).reshape(-1, len(weights)) + 1e-12)


def gradient_score(model: nn.Module, reference: Tensor, name: str = "gradient norms") -> Score:
    """−log N(norms; mean, diagonal), of inside images, nats up to a constant.

    Dauncey et al. 2024.
    """
    known = log_gradient_norms(model, reference)
    mean, std = known.mean(0), known.std(0) + 1e-3

    def surprise(images):
        return (0.5 * ((log_gradient_norms(model, images) - mean) / std) ** 2 + np.log(std)).sum(1)

    return Score(name, surprise, "nats", HELD_OUT)


def bound_of(vae: VAE, x: Tensor, mean: Tensor, log_std: Tensor, noise: Tensor) -> Tensor:
    """The ELBO of a guess q = N(mean, std²) at z = mean + std · noise, nats.

    x: (N, C, H, W), −1 to 1. -> (N,).
    """
    likelihood = discretised_logistic(x, *vae.decoder(mean + log_std.exp() * noise))
    return likelihood.sum((1, 2, 3)) - kl_to_standard_normal(mean, log_std).sum((1, 2, 3))


def regret(vae: VAE, images: Tensor, steps: int = 50, lr: float = 0.05, draws: int = 4) -> np.ndarray:
    """ELBO after fitting q(z | x) to each image by Adam, minus ELBO before, nats.

    uint8 (N, C, H, W) -> (N,). The two are compared with the same `draws`, which the
    steps have not seen. lr: in standard deviations of q.
    """
    x, noise = vae.scaled(images), partial(bits.normal_noise, images, vae.latent_shape)
    with torch.no_grad():
        mean, log_std = vae.encoder(x)
    moved, widened = (torch.zeros_like(mean).requires_grad_() for _ in range(2))
    optimiser = torch.optim.Adam([moved, widened], lr=lr)
    guess = lambda: (mean + log_std.exp() * moved, log_std + widened)  # noqa: E731

    def judged():
        with torch.no_grad():
            return torch.stack([bound_of(vae, x, *guess(), noise(draw=k)) for k in range(draws)]).mean(0)

    before = judged()
    for step in range(steps):
        moved.grad, widened.grad = torch.autograd.grad(
            -bound_of(vae, x, *guess(), noise(draw=draws + step)).sum(),
            (moved, widened),
        )
        optimiser.step()
        optimiser.param_groups[0]["lr"] = lr * (1 - (step + 1) / steps)
    return (judged() - before).double().numpy()


def regret_score(vae: VAE, name: str = "likelihood regret", **options) -> Score:
    """What the bound gains when q(z | x) is fitted to the image, nats.

    Xiao et al. 2020; options: see regret.
    """
    return Score(name, lambda images: regret(vae, images, **options), "nats")


def softmax_score(logits: Callable, name: str = "largest softmax") -> Score:
    """Minus the largest probability. logits: images -> (N, classes).

    Hendrycks & Gimpel 2017.
    """
    return Score(
        name,
        lambda images: -torch.softmax(torch.as_tensor(logits(images)).double(), 1).amax(1).numpy(),
    )


def energy_score(logits: Callable, name: str = "energy") -> Score:
    """−log Σ exp(logit), at temperature 1, nats. Liu et al. 2020."""
    return Score(
        name,
        lambda images: -torch.logsumexp(torch.as_tensor(logits(images)).double(), 1).numpy(),
        "nats",
    )


def generator_dimension(decode: Callable, z: Tensor, threshold: float) -> Tensor:
    """Singular values of ∂decode/∂z above the threshold: how many ways it can go.

    z (N, D) -> int64 (N,). decode: (D,) -> (D,), one point. After Kamkari et al. 2024.
    """
    jacobian = torch.vmap(torch.func.jacfwd(decode))(z)
    return (torch.linalg.svdvals(jacobian) > threshold).sum(1)
