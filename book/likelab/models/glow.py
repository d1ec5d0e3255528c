"""Exported from book/05_glow.ipynb, the chapter that explains it: edit that, then `make export`."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from likelab import bits


class ActNorm(nn.Module):
    """Shift and scale of each channel, set by the first batch. Kingma & Dhariwal 2018, section 3.1."""

    def __init__(self, channels):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.register_buffer("initialised", torch.tensor(False))

    @torch.no_grad()
    def initialise(self, x):
        """Give each channel of x (N, C, H, W) mean 0 and variance 1."""
        self.shift.copy_(-x.mean((0, 2, 3)))
        self.log_scale.copy_(-torch.log(x.std((0, 2, 3)) + 1e-6))
        self.initialised.fill_(True)

    def require_initialised(self, x):
        """Initialise from x in training; in evaluation raise a RuntimeError where that never happened."""
        if not self.initialised:
            if not self.training:
                raise RuntimeError("actnorm has seen no data: train the model, or load weights, before evaluating")
            self.initialise(x)

    def forward_and_log_det(self, x):
        self.require_initialised(x)
        z = (x + self.shift[:, None, None]) * self.log_scale.exp()[:, None, None]
        log_det = self.log_scale.sum() * x.shape[2] * x.shape[3]
        return z, log_det.expand(len(x))

    def inverse_and_log_det(self, z):
        x = z * (-self.log_scale).exp()[:, None, None] - self.shift[:, None, None]
        log_det = -self.log_scale.sum() * z.shape[2] * z.shape[3]
        return x, log_det.expand(len(z))


class Conv1x1(nn.Module):
    """One invertible matrix that mixes the channels of every pixel. Kingma & Dhariwal 2018, section 3.2."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels))[0])

    @torch.no_grad()
    def whiten(self, x):
        """Make the channels of x (N, C, H, W) uncorrelated with variance 1, strongest direction first."""
        columns = x.transpose(0, 1).flatten(1)
        variances, directions = torch.linalg.eigh(torch.cov(columns))
        self.weight.copy_((directions / (variances + 1e-6).sqrt()).T.flip(0))

    def forward_and_log_det(self, x):
        log_det = torch.linalg.slogdet(self.weight)[1] * x.shape[2] * x.shape[3]
        return F.conv2d(x, self.weight[:, :, None, None]), log_det.expand(len(x))

    def inverse_and_log_det(self, z):
        try:
            inverse = torch.linalg.inv(self.weight)
        except torch.linalg.LinAlgError as error:
            raise RuntimeError("a 1×1 convolution has become singular: train anew with a lower lr") from error
        log_det = -torch.linalg.slogdet(self.weight)[1] * z.shape[2] * z.shape[3]
        return F.conv2d(z, inverse[:, :, None, None]), log_det.expand(len(z))


def relu():
    return nn.ReLU(inplace=True)  # overwrites what the convolution before it wrote: less memory to move


class Coupling(nn.Module):
    """One half of the channels moves and scales the other. Dinh et al. 2017, equations 7 and 8."""

    def __init__(self, channels, hidden, affine=True, activation=relu):
        super().__init__()
        self.affine, self.kept = affine, channels // 2
        moved = channels - self.kept
        self.net = nn.Sequential(
            nn.Conv2d(self.kept, hidden, 3, padding=1),
            activation(),
            nn.Conv2d(hidden, hidden, 1),
            activation(),
            nn.Conv2d(hidden, 2 * moved if affine else moved, 3, padding=1),
        ).to(memory_format=torch.channels_last)
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def shift_and_log_scale(self, kept):
        if not self.affine:
            return self.net(kept), torch.zeros((), dtype=kept.dtype, device=kept.device).expand(len(kept), 1, 1, 1)
        shift, raw = self.net(kept).chunk(2, 1)
        return shift, raw.clamp(-2, 2)

    def forward_and_log_det(self, x):
        kept, moved = x[:, : self.kept], x[:, self.kept :]
        shift, log_scale = self.shift_and_log_scale(kept)
        moved = (moved + shift) * log_scale.exp() if self.affine else moved + shift
        return torch.cat([kept, moved], 1), log_scale.sum((1, 2, 3))

    def inverse_and_log_det(self, z):
        kept, moved = z[:, : self.kept], z[:, self.kept :]
        shift, log_scale = self.shift_and_log_scale(kept)
        moved = moved * (-log_scale).exp() - shift if self.affine else moved - shift
        return torch.cat([kept, moved], 1), -log_scale.sum((1, 2, 3))


class FlowStep(nn.Module):
    """Actnorm, 1×1 convolution, coupling. Kingma & Dhariwal 2018, figure 2a."""

    def __init__(self, channels, hidden, affine=True, activation=relu, whiten=False):
        super().__init__()
        self.norm = ActNorm(channels)
        self.mix = Conv1x1(channels)
        self.coupling = Coupling(channels, hidden, affine, activation)
        self.whiten = whiten

    def initialise(self, x):
        self.norm.initialise(x)
        if self.whiten:
            self.mix.whiten(self.norm.forward_and_log_det(x)[0])

    def forward_and_log_det(self, x):
        if self.training and not self.norm.initialised:
            self.initialise(x)
        total = 0
        for link in (self.norm, self.mix, self.coupling):
            x, log_det = link.forward_and_log_det(x)
            total = total + log_det
        return x, total

    def inverse_and_log_det(self, z):
        total = 0
        for link in (self.coupling, self.mix, self.norm):
            z, log_det = link.inverse_and_log_det(z)
            total = total + log_det
        return z, total


class Level(nn.ModuleList):
    """Flow steps in sequence, with the linear links of all of them folded at once."""

    def fold(self):
        """Weights W e^s and biases W e^s b of each step's convolution, and the sum of their log-determinants."""
        scales = torch.stack([step.norm.log_scale for step in self]).exp()
        shifts = torch.stack([step.norm.shift for step in self])
        weights = torch.stack([step.mix.weight for step in self]) * scales[:, None, :]
        biases = (weights @ shifts[:, :, None])[:, :, 0]
        return weights[:, :, :, None, None], biases, torch.linalg.slogdet(weights)[1].sum()

    def forward_and_log_det(self, x):
        total = 0
        if not all(step.norm.initialised for step in self):  # the first batch: link by link
            for step in self:
                x, log_det = step.forward_and_log_det(x)
                total = total + log_det
            return x, total
        weights, biases, log_det = self.fold()
        total = log_det * x.shape[2] * x.shape[3]
        for step, weight, bias in zip(self, weights, biases, strict=True):
            x, log_det = step.coupling.forward_and_log_det(F.conv2d(x, weight, bias))
            total = total + log_det
        return x, total

    def inverse_and_log_det(self, z):
        total = 0
        for step in reversed(self):
            z, log_det = step.inverse_and_log_det(z)
            total = total + log_det
        return z, total


def squeeze(x):
    """Each 2×2 block becomes one pixel: (N, C, H, W) -> (N, 4C, H/2, W/2). Dinh et al. 2017, section 3.6."""
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // 2, 2, w // 2, 2)
    return x.permute(0, 1, 3, 5, 2, 4).reshape(n, 4 * c, h // 2, w // 2)


def unsqueeze(z):
    """The inverse of squeeze: (N, 4C, H, W) -> (N, C, 2H, 2W)."""
    n, c, h, w = z.shape
    z = z.reshape(n, c // 4, 2, 2, h, w)
    return z.permute(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)


class Split(nn.Module):
    """Set half of the channels aside, standardised by a prior predicted from the other half."""

    def __init__(self, channels, learned=True):
        super().__init__()
        self.kept = channels // 2
        self.predict = nn.Conv2d(self.kept, 2 * (channels - self.kept), 3, padding=1) if learned else None
        if learned:
            nn.init.zeros_(self.predict.weight)
            nn.init.zeros_(self.predict.bias)

    def mean_and_log_scale(self, h):
        if self.predict is None:
            return torch.zeros_like(h), torch.zeros_like(h)
        mean, raw = self.predict(h).chunk(2, 1)
        return mean, raw.clamp(-2, 2)

    def forward_and_log_det(self, x):
        h, z = x[:, : self.kept], x[:, self.kept :]
        mean, log_scale = self.mean_and_log_scale(h)
        return (h, (z - mean) * (-log_scale).exp()), -log_scale.sum((1, 2, 3))

    def inverse_and_log_det(self, parts):
        h, noise = parts
        mean, log_scale = self.mean_and_log_scale(h)
        return torch.cat([h, mean + noise * log_scale.exp()], 1), log_scale.sum((1, 2, 3))


class Glow(nn.Module):
    """A multi-scale normalizing flow for uint8 images. Kingma & Dhariwal 2018.

    shape: (C, H, W). steps: flow steps of each level. hidden: channels in the couplings. sigma: with a number, the
    prior is N(0, sigma²) at every level instead of learned; with affine=False too, the volume is constant.
    Raises ValueError where a side cannot be halved once a level.
    """

    def __init__(
        self,
        shape=(3, 32, 32),
        steps=(8, 8, 8),
        hidden=64,
        affine=True,
        sigma=None,
        activation=relu,
        whiten=True,
    ):
        super().__init__()
        channels, *sides = shape
        if any(side % 2 ** len(steps) for side in sides):
            raise ValueError(f"{len(steps)} levels halve each side {len(steps)} times: {sides} does not allow it")
        self.shape, self.sigma = tuple(shape), sigma or 1.0
        self.levels, self.splits = nn.ModuleList(), nn.ModuleList()
        for level, count in enumerate(steps):
            channels *= 4
            flow = [FlowStep(channels, hidden, affine, activation, whiten and k == 0) for k in range(count)]
            self.levels.append(Level(flow))
            if level < len(steps) - 1:
                self.splits.append(Split(channels, learned=sigma is None))
                channels //= 2

    def encode(self, y):
        """y (N, C, H, W) on the scale 0 to 256 -> (latents of each level, log-determinant (N,) in nats)."""
        h, latents = y.to(next(self.parameters())) / 256 - 0.5, []  # on the weights' device, in their precision
        total = -math.log(256) * y[0].numel()
        for level, steps in enumerate(self.levels):
            h, log_det = steps.forward_and_log_det(squeeze(h).contiguous(memory_format=torch.channels_last))
            total = total + log_det
            if level < len(self.splits):
                (h, noise), log_det = self.splits[level].forward_and_log_det(h)
                latents.append(noise)
                total = total + log_det
        return [*latents, h], total

    def decode(self, latents):
        """The inverse of encode: latents of each level -> y (N, C, H, W) on the scale 0 to 256."""
        *latents, h = latents
        for level in reversed(range(len(self.levels))):
            if level < len(self.splits):
                h, _ = self.splits[level].inverse_and_log_det((h, latents[level]))
            h, _ = self.levels[level].inverse_and_log_det(h)
            h = unsqueeze(h)
        return 256 * (h + 0.5)

    def log_prior(self, latents):
        """log N(z; 0, σ²) of all latents, in nats. -> (N,)."""
        z = torch.cat([level.flatten(1) for level in latents], 1)
        return (-0.5 * (z / self.sigma) ** 2 - math.log(self.sigma) - 0.5 * math.log(2 * math.pi)).sum(1)

    def log_density(self, y):
        """log p(y) of real images on the scale 0 to 256, in nats, differentiable. (N, C, H, W) -> (N,)."""
        if tuple(y.shape[1:]) != self.shape:
            raise ValueError(f"images have shape {tuple(y.shape[1:])}, but this model was built for {self.shape}")
        latents, log_det = self.encode(y)
        return self.log_prior(latents) + log_det

    def log_prob(self, images, draws=1, generator=None):
        """Mean over draws of log p(x + u), a bound on log P(x) in nats. uint8 (N, C, H, W) -> (N,)."""
        bits.check_images(images, self.shape[0])
        noisy = (bits.dequantise(images, draw, generator) for draw in range(draws))
        return torch.stack([self.log_density(y) for y in noisy]).mean(0)

    @torch.no_grad()
    def initialise(self, images, generator=None):
        """Set every actnorm and whitening from uint8 images, in one pass. Needed once, before training."""
        self.train()
        self.log_prob(images, generator=generator)

    @torch.no_grad()
    def sample(self, n, temperature=1.0, generator=None):
        """Draw n images. temperature below 1 narrows the prior. -> uint8 (n, C, H, W)."""
        channels, height, width = self.shape
        weight, latents = next(self.parameters()), []
        for level in range(len(self.levels)):
            last = level == len(self.splits)
            channels, height, width = channels * (4 if last else 2), height // 2, width // 2
            noise = torch.randn(n, channels, height, width, generator=generator).to(weight)
            latents.append(temperature * self.sigma * noise)
        return self.decode(latents).nan_to_num(0).floor().clamp(0, 255).to(torch.uint8)
