"""Exported from book/03_variational_autoencoder.ipynb, the chapter that explains it: edit that, then `make export`."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from likelab import bits, contracts


def importance_bound(log_weights: Tensor, k: int) -> Tensor:
    """IW-K from S log-weights in groups of k, mean over groups, nats. (S, N) -> (N,).

    Burda et al. 2016, equation 8. k = 1 is the ELBO. Raises ValueError where k does not
    divide S.
    """
    draws, images = log_weights.shape
    if k < 1 or draws % k:
        raise ValueError(f"{draws} draws do not fall into groups of {k}")
    groups = log_weights.reshape(draws // k, k, images)
    return (torch.logsumexp(groups, 1) - math.log(k)).mean(0)


def kl_to_standard_normal(mean: Tensor, log_std: Tensor) -> Tensor:
    """KL(N(mean, std²) ‖ N(0, 1)) of each number, in nats, same shape.

    Kingma & Welling 2014, appendix B.
    """
    return 0.5 * (mean**2 + torch.exp(2 * log_std) - 1) - log_std


def discretised_logistic(x: Tensor, mean: Tensor, log_scale: Tensor, levels: int = bits.LEVELS) -> Tensor:
    """log-probability of grey levels under a logistic cut into bins, in nats.

    Kingma et al. 2016; with the two bins at the ends, Salimans et al. 2017, eq. 2.

    x: levels on the scale -1 to 1, `levels` of them evenly spaced. All arguments
    broadcast, to the result's shape.
    """
    half = 1 / (levels - 1)
    centred, inverse = x - mean, torch.exp(-log_scale)
    upper = torch.where(x > 1 - half, math.inf, inverse * (centred + half))
    lower = torch.where(x < half - 1, -math.inf, inverse * (centred - half))
    return F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))


def to_patches(x: Tensor, side: int) -> Tensor:
    """Each patch of side×side pixels becomes one place.

    (N, C, H, W) -> (N, C side², H/side, W/side), as PyTorch's pixel_unshuffle, which
    leaves an empty batch as it is.
    """
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // side, side, w // side, side)
    x = x.permute(0, 1, 3, 5, 2, 4).reshape(n, c * side**2, h // side, w // side)
    # a place's numbers side by side, as convolutions read them
    return x.contiguous(memory_format=torch.channels_last)


def from_patches(x: Tensor, side: int) -> Tensor:
    """Inverse of to_patches: (N, C side², H/side, W/side) -> (N, C, H, W)."""
    n, c, h, w = x.shape
    x = x.reshape(n, c // side**2, side, side, h, w)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(n, c // side**2, h * side, w * side)


class ResidualBlock(nn.Module):
    """x plus a small network of x, which starts at zero. He et al. 2016."""

    def __init__(self, channels: int):
        super().__init__()
        self.wide = nn.Conv2d(channels, channels, 3, padding=1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(F.silu(self.wide(F.silu(x))))


class Network(nn.Module):
    """A linear map gives means; residual blocks correct them and give log-scales."""

    def __init__(self, inputs: int, outputs: int, hidden: int, blocks: int):
        super().__init__()
        self.linear = nn.Conv2d(inputs, outputs, 1)
        self.deep = nn.Sequential(
            nn.Conv2d(inputs, hidden, 3, padding=1),
            *(ResidualBlock(hidden) for _ in range(blocks)),
            nn.SiLU(),
            nn.Conv2d(hidden, 2 * outputs, 1),
        )
        nn.init.zeros_(self.deep[-1].weight)
        nn.init.zeros_(self.deep[-1].bias)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, inputs, H, W) -> means and log-scales, both (N, outputs, H, W)."""
        correction, log_scale = self.deep(x).chunk(2, 1)
        return self.linear(x) + correction, log_scale.clamp(-7, 7)


class Encoder(nn.Module):
    """q(z | x): mean and log standard deviation of each latent.

    An image on the scale -1 to 1, (N, C, H, W) -> twice (N, L, H/p, W/p).
    """

    def __init__(self, channels: int, patch: int, latents: int, hidden: int, blocks: int):
        super().__init__()
        self.patch = patch
        self.net = Network(channels * patch**2, latents, hidden, blocks)
        self.scale = nn.Parameter(torch.ones(latents, 1, 1))
        self.log_std = nn.Parameter(torch.zeros(latents, 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.net(to_patches(x, self.patch))
        return self.scale * mean, self.log_std + log_std


class Decoder(nn.Module):
    """p(x | z): mean and log-scale of each pixel's logistic, on the scale -1 to 1.

    Latents (N, L, H/p, W/p) -> twice (N, C, H, W).
    """

    def __init__(self, channels: int, patch: int, latents: int, hidden: int, blocks: int):
        super().__init__()
        self.patch = patch
        self.net = Network(latents, channels * patch**2, hidden, blocks)
        self.scale = nn.Parameter(torch.ones(latents, 1, 1))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.net(self.scale * z)
        return from_patches(mean, self.patch), from_patches(log_scale, self.patch)


def principal_components(x: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor, float]:
    """Probabilistic PCA of the columns of x (D, N). Tipping & Bishop 1999, section 3.2.

    Returns mean (D,), eigenvectors (D, count), their eigenvalues, and σ², the variance
    of what is left out, at least one grey level squared. No eigenvalue is below 2 σ²,
    so that one image, or channels that depend on one another, give finite numbers.
    """
    mean = x.double().mean(1)
    centred = x - mean[:, None]
    eigenvalues, eigenvectors = (t.flip(-1) for t in torch.linalg.eigh(centred @ centred.T / x.shape[1]))
    left_out = eigenvalues[count:].sum().item() / max(1, len(x) - count)
    noise = max(left_out, (2 / bits.LEVELS) ** 2)
    return (
        mean,
        eigenvectors[:, :count],
        eigenvalues[:count].clamp_min(2 * noise),
        noise,
    )


class Autoencoder(nn.Module):
    """Encoder and decoder for uint8 images, started as probabilistic PCA of patches."""

    def __init__(self, shape: tuple, patch: int, latents: int, hidden: int, blocks: int):
        super().__init__()
        channels, height, width = shape
        if height % patch or width % patch:
            raise ValueError(f"patches of {patch}×{patch} pixels do not tile images of {height}×{width}")
        most = channels * patch**2
        if not 0 < latents <= most:
            raise ValueError(f"{latents} latents a patch of {most} numbers: choose 1 to {most}, or larger patches")
        self.shape, self.latent_shape = (
            tuple(shape),
            (latents, height // patch, width // patch),
        )
        self.encoder = Encoder(channels, patch, latents, hidden, blocks)
        self.decoder = Decoder(channels, patch, latents, hidden, blocks)
        self.register_buffer("initialised", torch.tensor(False))

    def scaled(self, images: Tensor) -> Tensor:
        """uint8 (N, C, H, W) -> -1 to 1, on the weights' device, in their precision."""
        return bits.as_images(images, self.shape).to(next(self.parameters())) * (2 / (bits.LEVELS - 1)) - 1

    @torch.no_grad()
    def initialise(self, images: Tensor, *, generator: torch.Generator | None = None) -> None:
        """Set linear maps and scales from the patches of uint8 images (N, C, H, W).

        Nothing is random. A second call sets them anew, with a warning. Raises
        ValueError where there are no images.
        """
        x = self.scaled(images)
        if not len(x):
            raise ValueError("there are no images to start from: give at least one, better some hundreds")
        contracts.warn_started_again(self)
        patches = to_patches(x, self.encoder.patch).transpose(0, 1).flatten(1)
        mean, eigenvectors, eigenvalues, noise = principal_components(patches, self.latent_shape[0])
        std = (eigenvalues - noise).sqrt()  # of the signal, along each eigenvector
        self.encoder.net.linear.weight.copy_(eigenvectors.T[:, :, None, None])
        self.encoder.net.linear.bias.copy_(-eigenvectors.T @ mean)
        self.encoder.scale.copy_((std / eigenvalues)[:, None, None])
        self.encoder.log_std.copy_(0.5 * torch.log(noise / eigenvalues)[:, None, None])
        self.decoder.scale.copy_(std[:, None, None])
        self.decoder.net.linear.weight.copy_(eigenvectors[:, :, None, None])
        self.decoder.net.linear.bias.copy_(mean)
        log_scale = 0.5 * math.log(3 * noise) - math.log(math.pi)
        self.decoder.net.deep[-1].bias[len(mean) :] = log_scale
        self.initialised.fill_(True)


class VAE(Autoencoder):
    """A variational autoencoder for uint8 images: z ~ N(0, 1), x ~ p(x | z).

    Bounded with q(z | x), Kingma & Welling 2014; importance-weighted bound of Burda et
    al. 2016; likelihood of Kingma et al. 2016. Inside, images are on the scale -1 to 1.

    shape: (C, H, W). patch: side of the patches that become places. latents: channels
    at each place. hidden, blocks: width and residual blocks of both networks. Raises
    ValueError where patches do not tile the image, or have fewer numbers than latents.
    """

    def __init__(
        self,
        shape: tuple = (3, 32, 32),
        patch: int = 4,
        latents: int = 40,
        hidden: int = 64,
        blocks: int = 3,
    ):
        super().__init__(shape, patch, latents, hidden, blocks)

    def draw_latent(self, images: Tensor, mean: Tensor, log_std: Tensor, draw: int, generator) -> tuple[Tensor, Tensor]:
        """z = μ + σ ε from q(z | x), and ε.

        Where ε comes from: see `contracts.DensityModel.log_prob`.
        """
        source = {"draw": draw, "generator": generator, "fresh": self.training}
        noise = bits.normal_noise(images, self.latent_shape, **source).to(mean)
        return mean + log_std.exp() * noise, noise

    def rate_and_distortion(
        self, images: Tensor, *, draw: int = 0, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """KL(q(z | x) ‖ p(z)) and -log p(x | z) at one z from q(z | x), nats.

        uint8 (N, C, H, W) -> (N,), (N,).
        """
        x = self.scaled(images)
        mean, log_std = self.encoder(x)
        z, _ = self.draw_latent(images, mean, log_std, draw, generator)
        rate = kl_to_standard_normal(mean, log_std).sum((1, 2, 3))
        distortion = -discretised_logistic(x, *self.decoder(z)).sum((1, 2, 3))
        return rate, distortion

    def log_prob(
        self,
        images: Tensor,
        *,
        draws: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The ELBO, a bound on log P(x) in nats, mean over draws of the latent.

        uint8 (N, C, H, W) -> (N,).
        """
        draws = range(bits.whole(draws, "draws", 1))
        parts = (self.rate_and_distortion(images, draw=draw, generator=generator) for draw in draws)
        return torch.stack([-rate - distortion for rate, distortion in parts]).mean(0)

    def log_weights(self, images: Tensor, draws: int, *, generator: torch.Generator | None = None) -> Tensor:
        """log p(z) p(x | z) / q(z | x) at draws from q, nats.

        uint8 (N, C, H, W) -> (draws, N).
        """
        x, rows = self.scaled(images), []
        mean, log_std = self.encoder(x)
        for draw in range(bits.whole(draws, "draws", 1)):
            z, noise = self.draw_latent(images, mean, log_std, draw, generator)
            prior_over_q = (0.5 * (noise**2 - z**2) + log_std).sum((1, 2, 3))
            rows.append(discretised_logistic(x, *self.decoder(z)).sum((1, 2, 3)) + prior_over_q)
        return torch.stack(rows)

    def log_prob_iw(
        self,
        images: Tensor,
        *,
        draws: int = 64,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The importance-weighted bound IW-K with K = draws, nats.

        uint8 (N, C, H, W) -> (N,).
        """
        return importance_bound(self.log_weights(images, draws, generator=generator), draws)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n images. -> uint8 (n, C, H, W).

        temperature: standard deviation of the latents.

        Raises ValueError where the temperature is negative or not finite.
        """
        weight = next(self.parameters())
        n = bits.whole(n, "n", 0)
        z = bits.checked_temperature(temperature) * torch.randn(n, *self.latent_shape, **bits.chance(generator))
        u = torch.rand(n, *self.shape, **bits.chance(generator, dtype=torch.float64)).clamp(1e-7, 1 - 1e-7)
        mean, log_scale = self.decoder(z.to(weight))
        return to_grey_levels(mean + log_scale.exp() * torch.logit(u).to(weight))


def to_grey_levels(x: Tensor, levels: int = bits.LEVELS) -> Tensor:
    """Numbers from -1 to 1 -> the nearest of `levels` grey levels, uint8, same shape.

    Raises RuntimeError where a number is NaN.
    """
    if x.isnan().any():
        raise RuntimeError("there is no grey level for NaN: weights are not finite, so train anew with a lower lr")
    return ((x + 1) * ((levels - 1) / 2)).round().clamp(0, levels - 1).to(torch.uint8)
