"""Exported from book/05_glow.ipynb, the chapter that explains it: edit that, then `make export`."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from likelab import bits, contracts


def floored(variances: Tensor) -> Tensor:
    """Variances (C,), none below a millionth of the largest; ones where all are 0."""
    largest = variances.max()
    return variances.clamp_min(1e-6 * largest) if largest > 0 else torch.ones_like(variances)


class ActNorm(nn.Module):
    """Shift and scale of each channel, started from data.

    Kingma & Dhariwal 2018, section 3.1. Both directions raise RuntimeError before
    `initialise` was called or weights were loaded.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.register_buffer("initialised", torch.tensor(False))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Give each channel of x (N, C, H, W) mean 0 and variance 1."""
        self.shift.copy_(-x.mean((0, 2, 3)))
        self.log_scale.copy_(-0.5 * torch.log(floored(x.double().var((0, 2, 3), correction=0))))
        self.initialised.fill_(True)

    def log_det(self, x: Tensor) -> Tensor:
        """H W Σ s, the same for every image. (N, C, H, W) -> (N,)."""
        if not self.initialised:
            raise RuntimeError("actnorm was never started: call initialise(images), train the model, or load weights")
        return (self.log_scale.sum() * x.shape[2] * x.shape[3]).expand(len(x))

    def forward_and_log_det(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = (x + self.shift[:, None, None]) * self.log_scale.exp()[:, None, None]
        return z, self.log_det(x)

    def inverse_and_log_det(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x = z * (-self.log_scale).exp()[:, None, None] - self.shift[:, None, None]
        return x, -self.log_det(z)


class Conv1x1(nn.Module):
    """One invertible matrix that mixes the channels of every pixel.

    Kingma & Dhariwal 2018, section 3.2.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels))[0])

    @torch.no_grad()
    def whiten(self, x: Tensor) -> None:
        """Make the channels of x (N, C, H, W) uncorrelated, with variance 1.

        The strongest direction comes first.
        """
        columns = x.double().transpose(0, 1).flatten(1)
        eigenvalues, eigenvectors = torch.linalg.eigh(torch.cov(columns, correction=0))
        self.weight.copy_((eigenvectors / floored(eigenvalues).sqrt()).T.flip(0))

    def log_det(self, x: Tensor) -> Tensor:
        """H W log|det W|, the same for every image. (N, C, H, W) -> (N,)."""
        return (torch.linalg.slogdet(self.weight)[1] * x.shape[2] * x.shape[3]).expand(len(x))

    def forward_and_log_det(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return F.conv2d(x, self.weight[:, :, None, None]), self.log_det(x)

    def inverse_and_log_det(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """As the contract. Raises RuntimeError where the matrix has become singular."""
        try:
            inverse = torch.linalg.inv(self.weight)
        except torch.linalg.LinAlgError as error:
            raise RuntimeError("a 1×1 convolution has become singular: train anew with a lower lr") from error
        return F.conv2d(z, inverse[:, :, None, None]), -self.log_det(z)


def relu() -> nn.Module:
    """Rectified in place, over what the convolution before wrote: less to move."""
    return nn.ReLU(inplace=True)


class Coupling(nn.Module):
    """One half of the channels shifts and scales the other.

    Dinh et al. 2017, section 3.4; shift first, then scale. hidden: channels of the
    network. affine: without it nothing is scaled. activation: makes the network's
    activations.
    """

    def __init__(self, channels: int, hidden: int, affine: bool = True, activation=relu):
        super().__init__()
        self.affine, self.kept = affine, channels // 2
        changed = channels - self.kept
        self.net = nn.Sequential(
            nn.Conv2d(self.kept, hidden, 3, padding=1),
            activation(),
            nn.Conv2d(hidden, hidden, 1),
            activation(),
            nn.Conv2d(hidden, 2 * changed if affine else changed, 3, padding=1),
        ).to(memory_format=torch.channels_last)
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def shift_and_log_scale(self, x_a: Tensor) -> tuple[Tensor, Tensor]:
        """t and s, both of the shape of x_b."""
        if not self.affine:
            shift = self.net(x_a)
            return shift, torch.zeros_like(shift)
        shift, log_scale = self.net(x_a).chunk(2, 1)
        return shift, log_scale.clamp(-2, 2)

    def forward_and_log_det(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x_a, x_b = x[:, : self.kept], x[:, self.kept :]
        shift, log_scale = self.shift_and_log_scale(x_a)
        z_b = (x_b + shift) * log_scale.exp()
        return torch.cat([x_a, z_b], 1), log_scale.sum((1, 2, 3))

    def inverse_and_log_det(self, z: Tensor) -> tuple[Tensor, Tensor]:
        z_a, z_b = z[:, : self.kept], z[:, self.kept :]
        shift, log_scale = self.shift_and_log_scale(z_a)
        x_b = z_b * (-log_scale).exp() - shift
        return torch.cat([z_a, x_b], 1), -log_scale.sum((1, 2, 3))


class Chain(nn.Module):
    """Its submodules as one map, in their order: log-determinants add up."""

    def forward_and_log_det(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = 0
        for link in self.children():
            x, log_det = link.forward_and_log_det(x)
            total = total + log_det
        return x, total

    def inverse_and_log_det(self, z: Tensor) -> tuple[Tensor, Tensor]:
        total = 0
        for link in reversed(list(self.children())):
            z, log_det = link.inverse_and_log_det(z)
            total = total + log_det
        return z, total


class FlowStep(Chain):
    """Actnorm, 1×1 convolution, coupling. Kingma & Dhariwal 2018, figure 2a.

    whiten: also start the convolution.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        affine: bool = True,
        activation=relu,
        whiten: bool = False,
    ):
        super().__init__()
        self.norm = ActNorm(channels)
        self.mix = Conv1x1(channels)
        self.coupling = Coupling(channels, hidden, affine, activation)
        self.whiten = whiten

    def initialise(self, x: Tensor) -> Tensor:
        """Start actnorm, and the convolution where it whitens, from x (N, C, H, W).

        -> what the step makes of x.
        """
        self.norm.initialise(x)
        if self.whiten:
            self.mix.whiten(self.norm.forward_and_log_det(x)[0])
        return self.forward_and_log_det(x)[0]


class Level(Chain, nn.ModuleList):
    """Flow steps in a row."""

    def initialise(self, x: Tensor) -> Tensor:
        """Start each step from what the ones before it make of x (N, C, H, W).

        -> what the level makes of x.
        """
        for step in self:
            x = step.initialise(x)
        return x


def squeeze(x: Tensor) -> Tensor:
    """Each 2×2 block becomes one pixel: (N, C, H, W) -> (N, 4C, H/2, W/2).

    Dinh et al. 2017, section 3.6.
    """
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // 2, 2, w // 2, 2)
    x = x.permute(0, 1, 3, 5, 2, 4).reshape(n, 4 * c, h // 2, w // 2)
    # A pixel's numbers side by side, as convolutions read them.
    return x.contiguous(memory_format=torch.channels_last)


def unsqueeze(z: Tensor) -> Tensor:
    """The inverse of squeeze: (N, 4C, H, W) -> (N, C, 2H, 2W)."""
    n, c, h, w = z.shape
    z = z.reshape(n, c // 4, 2, 2, h, w)
    return z.permute(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)


class Split(nn.Module):
    """Set half of the channels aside, standardised by a prior that the others predict.

    Kingma & Dhariwal 2018, section 3; the learnt prior is that of their published
    code. z is the pair (h, ε).
    """

    def __init__(self, channels: int, learned: bool = True):
        super().__init__()
        self.kept = channels // 2
        self.predict = nn.Conv2d(self.kept, 2 * (channels - self.kept), 3, padding=1) if learned else None
        if learned:
            nn.init.zeros_(self.predict.weight)
            nn.init.zeros_(self.predict.bias)

    def mean_and_log_scale(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """μ(h) and log σ(h) of what was set aside."""
        if self.predict is None:
            return torch.zeros_like(h), torch.zeros_like(h)
        mean, log_scale = self.predict(h).chunk(2, 1)
        return mean, log_scale.clamp(-2, 2)

    def forward_and_log_det(self, x: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """x (N, C, H, W) -> (h, ε), and -Σ log σ(h), (N,)."""
        h, z = x[:, : self.kept], x[:, self.kept :]
        mean, log_scale = self.mean_and_log_scale(h)
        return (h, (z - mean) * (-log_scale).exp()), -log_scale.sum((1, 2, 3))

    def inverse_and_log_det(self, parts: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        h, noise = parts
        mean, log_scale = self.mean_and_log_scale(h)
        return torch.cat([h, mean + noise * log_scale.exp()], 1), log_scale.sum((1, 2, 3))


class Glow(nn.Module):
    """A multi-scale normalizing flow for uint8 images.

    Kingma & Dhariwal 2018; multi-scale: Dinh et al. 2017. f maps images to latents.
    Images on the scale 0 to 256 are divided by 256 and centred, which is part of the
    density. shape: (C, H, W). steps: flow steps of each level. hidden: channels in the
    couplings. sigma: with a number, the prior is N(0, sigma²) at every level instead of
    learnt; with affine=False too, the volume is constant. whiten: start the first step
    of each level by whitening. Raises ValueError where a side cannot be halved once a
    level, or sigma is not above 0.
    """

    def __init__(
        self,
        shape: tuple = (3, 32, 32),
        steps: tuple = (8, 8, 8),
        hidden: int = 64,
        affine: bool = True,
        sigma: float | None = None,
        activation=relu,
        whiten: bool = True,
    ):
        super().__init__()
        channels, *sides = shape
        if any(side % 2 ** len(steps) for side in sides):
            raise ValueError(f"{len(steps)} levels halve each side {len(steps)} times: {sides} does not allow it")
        if sigma is not None and not 0 < sigma < math.inf:
            raise ValueError(f"sigma is {sigma}: a standard deviation is above 0; None learns the prior")
        self.shape, self.sigma = tuple(shape), 1.0 if sigma is None else sigma
        self.levels, self.splits = nn.ModuleList(), nn.ModuleList()
        for level, count in enumerate(steps):
            channels *= 4
            flow = [FlowStep(channels, hidden, affine, activation, whiten and k == 0) for k in range(count)]
            self.levels.append(Level(flow))
            if level < len(steps) - 1:
                self.splits.append(Split(channels, learned=sigma is None))
                channels //= 2

    def centred(self, y: Tensor) -> Tensor:
        """0 to 256 -> -1/2 to 1/2, on the weights' device and in their precision."""
        return y.to(next(self.parameters())) / 256 - 0.5

    def encode(self, y: Tensor) -> tuple[list[Tensor], Tensor]:
        """f: y (N, C, H, W) on the scale 0 to 256 -> latents of each level, log-det.

        The log-determinant (N,) is in nats.
        """
        h, latents, total = self.centred(y), [], -math.prod(self.shape) * math.log(256)
        for level, flow in enumerate(self.levels):
            h, log_det = flow.forward_and_log_det(squeeze(h))
            total = total + log_det
            if level < len(self.splits):
                (h, noise), log_det = self.splits[level].forward_and_log_det(h)
                latents.append(noise)
                total = total + log_det
        return [*latents, h], total

    def decode(self, latents: list[Tensor]) -> Tensor:
        """The inverse of encode: latents of each level -> y (N, C, H, W), 0 to 256."""
        *latents, h = latents
        for level in reversed(range(len(self.levels))):
            if level < len(self.splits):
                h, _ = self.splits[level].inverse_and_log_det((h, latents[level]))
            h, _ = self.levels[level].inverse_and_log_det(h)
            h = unsqueeze(h)
        return 256 * (h + 0.5)

    def log_prior(self, latents: list[Tensor]) -> Tensor:
        """log N(z; 0, σ²) of all latents, in nats. -> (N,)."""
        z = torch.cat([level.flatten(1) for level in latents], 1)
        return (-0.5 * (z / self.sigma) ** 2 - math.log(self.sigma) - 0.5 * math.log(2 * math.pi)).sum(1)

    def log_density(self, y: Tensor) -> Tensor:
        """log p(y) of real images on the scale 0 to 256, in nats, differentiable.

        (N, C, H, W) -> (N,). Raises ValueError for images of another shape,
        RuntimeError where the model was never started.
        """
        if tuple(y.shape[1:]) != self.shape:
            raise ValueError(f"images have shape {tuple(y.shape[1:])}, but this model was built for {self.shape}")
        latents, log_det = self.encode(y)
        return self.log_prior(latents) + log_det

    def log_prob(
        self,
        images: Tensor,
        *,
        draws: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Mean over draws of log p(x + u), a bound on log P(x) in nats.

        uint8 (N, C, H, W) -> (N,).
        """
        images, options = (
            bits.as_images(images, self.shape),
            {"generator": generator, "fresh": self.training},
        )
        noisy = (bits.dequantise(images, draw=draw, **options) for draw in range(bits.whole(draws, "draws", 1)))
        return torch.stack([self.log_density(y) for y in noisy]).mean(0)

    @property
    def initialised(self) -> Tensor:
        """Whether every actnorm was started; each remembers it in the saved state."""
        return torch.stack([module.initialised for module in self.modules() if isinstance(module, ActNorm)]).all()

    @torch.no_grad()
    def initialise(self, images: Tensor, *, generator: torch.Generator | None = None) -> None:
        """Start every actnorm, and the whitening of each level, in one pass.

        images: uint8 (N, C, H, W). A second call starts them anew, with a warning.
        Raises ValueError where there are no images.
        """
        images = bits.as_images(images, self.shape)
        if not len(images):
            raise ValueError("there are no images to start from: give at least one, better some hundreds")
        contracts.warn_started_again(self)
        h = self.centred(bits.dequantise(images, generator=generator, fresh=self.training))
        for level, flow in enumerate(self.levels):
            h = flow.initialise(squeeze(h))
            if level < len(self.splits):
                (h, _), _ = self.splits[level].forward_and_log_det(h)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n images: the noise times temperature, decoded. -> uint8 (n, C, H, W).

        Raises ValueError where the temperature is negative or not finite, RuntimeError
        where a 1×1 convolution is singular, or decoding leaves the range of numbers.
        """
        channels, height, width = self.shape
        weight, latents = next(self.parameters()), []
        n, temperature = bits.whole(n, "n", 0), bits.checked_temperature(temperature)
        for level in range(len(self.levels)):
            last = level == len(self.splits)
            channels, height, width = (
                channels * (4 if last else 2),
                height // 2,
                width // 2,
            )
            noise = torch.randn(n, channels, height, width, **bits.chance(generator)).to(weight)
            latents.append(temperature * self.sigma * noise)
        y = self.decode(latents)
        if not y.isfinite().all():
            raise RuntimeError("decoding has left the range of the numbers: lower the temperature, or train anew")
        return y.floor().clamp(0, 255).to(torch.uint8)
