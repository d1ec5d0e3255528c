"""Exported from book/03_variational_autoencoder.ipynb, the chapter that explains it: edit that, then `make export`."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from likelab import bits


def importance_bound(log_weights, k):
    """IW-K from S log-weights, in groups of k, averaged over the groups. (S, N) -> (N,).

    Burda et al. 2016, equation 8. k = 1 is the ELBO. Raises ValueError where k does not divide S.
    """
    draws, images = log_weights.shape
    if draws % k:
        raise ValueError(f"{draws} draws do not fall into groups of {k}")
    groups = log_weights.reshape(draws // k, k, images)
    return (torch.logsumexp(groups, 1) - math.log(k)).mean(0)


def kl_to_standard_normal(mean, log_std):
    """KL(N(mean, std²) ‖ N(0, 1)) of each number, in nats, same shape. Kingma & Welling 2014, appendix B."""
    return 0.5 * (mean**2 + torch.exp(2 * log_std) - 1) - log_std


def discretised_logistic(x, mean, log_scale, levels=bits.LEVELS):
    """log-probability of grey levels under a logistic cut into bins, in nats. Salimans et al. 2017, eq. 2.

    x: levels on the scale -1 to 1, `levels` of them evenly spaced; all arguments broadcast.
    """
    half = 1 / (levels - 1)
    centred, inverse = x - mean, torch.exp(-log_scale)
    upper = torch.where(x > 1 - half, math.inf, inverse * (centred + half))
    lower = torch.where(x < half - 1, -math.inf, inverse * (centred - half))
    return F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))


class Residual(nn.Module):
    """Adds a small network's opinion to what is there; that opinion starts at zero."""

    def __init__(self, channels):
        super().__init__()
        self.wide = nn.Conv2d(channels, channels, 3, padding=1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x):
        return x + self.out(F.silu(self.wide(F.silu(x))))


class Network(nn.Module):
    """A linear path that gives means, and a convolutional one that corrects them and gives log-scales."""

    def __init__(self, inputs, outputs, hidden, blocks):
        super().__init__()
        self.linear = nn.Conv2d(inputs, outputs, 1)
        self.deep = nn.Sequential(
            nn.Conv2d(inputs, hidden, 3, padding=1),
            *(Residual(hidden) for _ in range(blocks)),
            nn.SiLU(),
            nn.Conv2d(hidden, 2 * outputs, 1),
        )
        nn.init.zeros_(self.deep[-1].weight)
        nn.init.zeros_(self.deep[-1].bias)

    def forward(self, x):
        correction, log_scale = self.deep(x).chunk(2, 1)
        return self.linear(x) + correction, log_scale.clamp(-7, 7)


class VAE(nn.Module):
    """A variational autoencoder for uint8 images. Kingma & Welling 2014; likelihood of Salimans et al. 2017.

    shape: (C, H, W). patch: side of the patches that become places. latents: channels at each place. hidden,
    blocks: width and residual blocks of both networks. Raises ValueError where patches do not tile the image, or
    have fewer numbers than latents.
    """

    def __init__(self, shape=(3, 32, 32), patch=4, latents=40, hidden=64, blocks=3):
        super().__init__()
        if shape[1] % patch or shape[2] % patch:
            raise ValueError(f"patches of {patch}×{patch} pixels do not tile images of {shape[1]}×{shape[2]}")
        inputs = shape[0] * patch**2
        if latents > inputs:
            raise ValueError(
                f"{latents} latents a patch of {inputs} numbers: choose at most {inputs}, or larger patches"
            )
        self.shape, self.patch = tuple(shape), patch
        self.latent_shape = (latents, shape[1] // patch, shape[2] // patch)
        self.encoder = Network(inputs, latents, hidden, blocks)
        self.decoder = Network(latents, inputs, hidden, blocks)
        # between the latents, whose scale is 1, and the networks, which see them on the scale of the image
        self.spread, self.shrink = nn.Parameter(torch.ones(latents, 1, 1)), nn.Parameter(torch.ones(latents, 1, 1))
        self.log_std = nn.Parameter(torch.zeros(latents, 1, 1))
        self.to(memory_format=torch.channels_last)

    def scaled(self, images):
        """uint8 (N, C, H, W) -> numbers from -1 to 1, on the weights' device, in their precision."""
        bits.check_images(images, self.shape[0])
        if tuple(images.shape[1:]) != self.shape:
            raise ValueError(f"images have shape {tuple(images.shape[1:])}, but this model was built for {self.shape}")
        return images.to(self.encoder.linear.weight) * (2 / (bits.LEVELS - 1)) - 1

    def encode(self, x):
        """Mean and log standard deviation of q(z | x); x on the scale -1 to 1. (N, C, H, W) -> (N, L, H/p, W/p)."""
        patches = F.pixel_unshuffle(x, self.patch)
        mean, log_std = self.encoder(patches.contiguous(memory_format=torch.channels_last))
        return mean * self.shrink, log_std + self.log_std

    def decode(self, z):
        """Mean and log-scale of p(x | z). (N, L, H/p, W/p) -> (N, C, H, W), on the scale -1 to 1."""
        return tuple(F.pixel_shuffle(t, self.patch) for t in self.decoder(z * self.spread))

    def log_likelihood(self, x, z):
        """log p(x | z), nats, (N,)."""
        return discretised_logistic(x, *self.decode(z)).sum((1, 2, 3))

    def rate_and_distortion(self, images, draw=0, generator=None):
        """KL(q(z | x) ‖ p(z)) and -log p(x | z) at one z from q(z | x). uint8 (N, C, H, W) -> (N,), (N,), nats."""
        x = self.scaled(images)
        mean, log_std = self.encode(x)
        noise = bits.normal_noise(images, self.latent_shape, draw, generator).to(mean)
        rate = kl_to_standard_normal(mean, log_std).sum((1, 2, 3))
        return rate, -self.log_likelihood(x, mean + log_std.exp() * noise)

    def log_prob(self, images, draws=1, generator=None):
        """The ELBO, a bound on log P(x) in nats, mean over draws of the latent. uint8 (N, C, H, W) -> (N,)."""
        both = (self.rate_and_distortion(images, draw, generator) for draw in range(draws))
        return torch.stack([-rate - distortion for rate, distortion in both]).mean(0)

    def log_weights(self, images, draws, generator=None):
        """log p(z) p(x | z) / q(z | x) at draws from q. uint8 (N, C, H, W) -> (draws, N), nats."""
        x, rows = self.scaled(images), []
        mean, log_std = self.encode(x)
        for draw in range(draws):
            noise = bits.normal_noise(images, self.latent_shape, draw, generator).to(mean)
            z = mean + log_std.exp() * noise
            prior_over_q = (0.5 * (noise**2 - z**2) + log_std).sum((1, 2, 3))
            rows.append(self.log_likelihood(x, z) + prior_over_q)
        return torch.stack(rows)

    def log_prob_iw(self, images, k=64, generator=None):
        """The importance-weighted bound with k draws, nats. uint8 (N, C, H, W) -> (N,)."""
        return importance_bound(self.log_weights(images, k, generator), k)

    @torch.no_grad()
    def initialise(self, images, generator=None):
        """Start as the best linear model of the patches of uint8 images. Tipping & Bishop 1999, section 3.2."""
        patches = F.pixel_unshuffle(self.scaled(images), self.patch).transpose(0, 1).flatten(1)
        mean, latents = patches.mean(1), self.latent_shape[0]
        variances, directions = (t.flip(-1) for t in torch.linalg.eigh(torch.cov(patches)))
        rest = variances[latents:].sum() / max(1, len(variances) - latents)
        noise = max(rest.item(), (2 / bits.LEVELS) ** 2)  # variance of what the latents leave out
        kept, directions = variances[:latents].clamp(min=2 * noise), directions[:, :latents]
        self.decoder.linear.weight.copy_(directions[:, :, None, None])
        self.decoder.linear.bias.copy_(mean)
        self.encoder.linear.weight.copy_(directions.T[:, :, None, None])
        self.encoder.linear.bias.copy_(-directions.T @ mean)
        signal = (kept - noise).sqrt()[:, None, None]
        self.spread.copy_(signal)
        self.shrink.copy_(signal / kept[:, None, None])
        self.log_std.copy_(0.5 * torch.log(noise / kept)[:, None, None])
        self.decoder.deep[-1].bias[len(mean) :] = 0.5 * math.log(3 * noise) - math.log(math.pi)  # logistic's scale

    @torch.no_grad()
    def sample(self, n, temperature=1.0, generator=None):
        """Draw n images; temperature below 1 narrows the prior. -> uint8 (n, C, H, W)."""
        weight = self.encoder.linear.weight
        z = temperature * torch.randn(n, *self.latent_shape, generator=generator)
        u = torch.rand(n, *self.shape, generator=generator, dtype=torch.float64).clamp(1e-7, 1 - 1e-7)
        mean, log_scale = self.decode(z.to(weight))
        return to_grey_levels(mean + log_scale.exp() * torch.logit(u).to(weight))


def to_grey_levels(x, levels=bits.LEVELS):
    """Numbers from -1 to 1 -> the nearest of `levels` grey levels, uint8, same shape."""
    return ((x + 1) * ((levels - 1) / 2)).round().clamp(0, levels - 1).to(torch.uint8)
