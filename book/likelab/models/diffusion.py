"""Exported from book/14_diffusion.ipynb, the chapter that explains it: edit that, then `make export`."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from likelab import bits, contracts
from likelab.models.vae import from_patches, to_grey_levels, to_patches

QUIET, LOUD = -13.3, 5.0  # γ at times 0 and 1
STEP = 2 / (bits.LEVELS - 1)  # from one grey level to the next, on the scale -1 to 1


def noise_level(t: Tensor) -> Tensor:
    """γ at times between 0 and 1, the logarithm of noise over signal; same shape."""
    return QUIET + (LOUD - QUIET) * t


def signal_and_noise(gamma: Tensor) -> tuple[Tensor, Tensor]:
    """α and σ, with α² + σ² = 1 and σ²/α² = exp(γ): two tensors of γ's shape.

    Kingma et al. 2021, section 3.2.
    """
    return torch.sigmoid(-gamma).sqrt(), torch.sigmoid(gamma).sqrt()


def cosines(n: int) -> Tensor:
    """The n waves of the discrete cosine transform, orthonormal, one a row: (n, n).

    Ahmed et al. 1974.
    """
    wave, place = torch.arange(n)[:, None], torch.arange(n)
    basis = torch.cos(math.pi / n * wave * (place + 0.5)) * math.sqrt(2 / n)
    basis[0] /= math.sqrt(2)
    return basis


class WaveGaussian(nn.Module):
    """A Gaussian whose principal directions are cosine waves of rotated colours.

    It is fitted, not trained.
    """

    def __init__(self, shape: tuple):
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("colours", torch.eye(shape[0]))
        self.register_buffer("variances", torch.ones(shape))  # of the waves
        self.register_buffer("rows", cosines(shape[1]), persistent=False)
        self.register_buffer("columns", cosines(shape[2]), persistent=False)

    def waves(self, x: Tensor) -> Tensor:
        """What each wave of each rotated colour weighs in x; it keeps lengths.

        (N, C, H, W), same shape.
        """
        return self.rows @ torch.einsum("kc,nchw->nkhw", self.colours, x) @ self.columns.T

    def from_waves(self, weights: Tensor) -> Tensor:
        """The inverse of waves: (N, C, H, W), same shape."""
        return torch.einsum("kc,nkhw->nchw", self.colours, self.rows.T @ weights @ self.columns)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Take mean, rotation and variances from images (N, C, H, W) from -1 to 1."""
        self.mean.copy_(x.mean(0))
        pixels = (x - self.mean).transpose(0, 1).flatten(1).double()
        self.colours.copy_(torch.linalg.eigh(pixels @ pixels.T / pixels.shape[1])[1].T)
        self.variances.copy_((self.waves(x - self.mean) ** 2).mean(0).clamp_min(STEP**2 / 12))

    def guess(self, z: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Mean of x given z = αx + σε, and the root mean variance of its numbers.

        (N, C, H, W) -> (N, C, H, W), (N, 1, 1, 1).
        """
        total = alpha**2 * self.variances + sigma**2
        mean = self.mean + self.from_waves(alpha * self.variances / total * self.waves(z - alpha * self.mean))
        left = self.variances * sigma**2 / total
        return mean, left.mean((1, 2, 3), keepdim=True).sqrt()


# Levels on either side that count: at a width of a step, others weigh below exp(-10).
REACH = 4


def levels_around(mean: Tensor) -> tuple[Tensor, Tensor]:
    """The 9 grey levels around each number, -1 to 1, and which of them exist.

    Two tensors (…, 9).
    """
    nearest = ((mean.detach() + 1) / STEP).round().clamp(0, bits.LEVELS - 1)
    levels = nearest[..., None] + torch.arange(-REACH, REACH + 1).to(mean)
    return levels * STEP - 1, (levels >= 0) & (levels < bits.LEVELS)


def drawn_to_levels(mean: Tensor, std: Tensor) -> Tensor:
    """Mean of a Gaussian that is known to be a grey level; same shape.

    Where std is a step or more, `mean` itself.
    """
    values, exist = levels_around(mean)
    score = -0.5 * ((values - mean[..., None]) / std.clamp(max=STEP)[..., None]) ** 2
    weights = F.softmax(score.masked_fill(~exist, -math.inf), -1)
    return torch.where(std < STEP, (weights * values).sum(-1), mean)


def level_log_prob(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """log P of grey levels x, for a Gaussian at the 256 levels alone, nats; same shape.

    std: at most half a step.
    """
    values, exist = levels_around(mean)
    score = -0.5 * ((values - mean[..., None]) / std[..., None]) ** 2
    return -0.5 * ((x - mean) / std) ** 2 - score.masked_fill(~exist, -math.inf).logsumexp(-1)


class LevelBlock(nn.Module):
    """x plus a small network of x that is told the noise level; it starts at zero.

    After He et al. 2016.
    """

    def __init__(self, channels: int, signals: int):
        super().__init__()
        self.told = nn.Linear(signals, 2 * channels)
        self.wide = nn.Conv2d(channels, channels, 3, padding=1)
        self.out = nn.Conv2d(channels, channels, 1)
        for layer in (self.told, self.out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        scale, shift = self.told(signal)[:, :, None, None].chunk(2, 1)
        return x + self.out(F.silu(self.wide(F.silu(x * (1 + scale) + shift))))


class Corrector(nn.Module):
    """A U-Net of two sizes.

    hidden, wide: channels at a half and a quarter of the side; blocks: of each part.
    """

    def __init__(self, channels: int, hidden: int, wide: int, blocks: int, signals: int = 64):
        super().__init__()
        self.signal = nn.Sequential(nn.Linear(9, signals), nn.SiLU(), nn.Linear(signals, signals), nn.SiLU())
        self.first = nn.Conv2d(8 * channels, hidden, 3, padding=1)
        self.down, self.up = (
            nn.Conv2d(4 * hidden, wide, 1),
            nn.Conv2d(wide, 4 * hidden, 1),
        )
        self.before, self.below, self.after = (
            nn.ModuleList(LevelBlock(size, signals) for _ in range(blocks)) for size in (hidden, wide, hidden)
        )
        self.last = nn.Conv2d(hidden, 12 * channels, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.to(memory_format=torch.channels_last)

    def forward(self, guess: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Guess and implied noise (N, C, H, W), times (N,) -> shift, share, log-scale.

        Each of the three is (N, C, H, W).
        """
        waves = torch.cos(math.pi * t[:, None] * torch.arange(9).to(t))
        signal = self.signal(torch.cat([t[:, None], waves[:, 1:]], 1))
        h = self.first(to_patches(torch.cat([guess, noise], 1), 2))
        for block in self.before:
            h = block(h, signal)
        low = self.down(to_patches(h, 2))
        for block in self.below:
            low = block(low, signal)
        h = h + from_patches(self.up(low), 2)
        for block in self.after:
            h = block(h, signal)
        return from_patches(self.last(F.silu(h)), 2).chunk(3, 1)


class Diffusion(nn.Module):
    """A variational diffusion model for uint8 images, with a fixed schedule.

    Its start is a Gaussian. Kingma, Salimans, Poole & Ho 2021. shape: (C, H, W), sides
    that 4 divides. hidden, wide, blocks: of the `Corrector`. levels: T, of the bound.
    asked: K, levels that evaluation asks. Raises ValueError where 4 does not divide a
    side, or K is more than T.
    """

    def __init__(
        self,
        shape: tuple = (3, 32, 32),
        hidden: int = 64,
        wide: int = 64,
        blocks: int = 3,
        levels: int = 10_000,
        asked: int = 16,
    ):
        super().__init__()
        if shape[1] % 4 or shape[2] % 4:
            raise ValueError(f"images of {shape[1]}×{shape[2]}: give sides that 4 divides")
        if not 0 < asked <= levels:
            raise ValueError(f"{asked} of {levels} levels cannot be asked: give from 1 to {levels}")
        self.shape, self.levels, self.asked = tuple(shape), levels, asked
        self.gaussian = WaveGaussian(self.shape)
        self.corrector = Corrector(shape[0], hidden, wide, blocks)
        self.register_buffer("initialised", torch.tensor(False))

    def scaled(self, images: Tensor) -> Tensor:
        """uint8 (N, C, H, W) -> -1 to 1, same shape.

        On the weights' device and in their precision.
        """
        return bits.as_images(images, self.shape).to(self.gaussian.mean) * STEP - 1

    def initialise(self, images: Tensor, *, generator: torch.Generator | None = None) -> None:
        """Fit the Gaussian to uint8 images (N, C, H, W). Nothing is random.

        A second call fits it anew, with a warning. Raises ValueError where there are no
        images.
        """
        x = self.scaled(images)
        if not len(x):
            raise ValueError("there are no images to start from: give at least one, better some hundreds")
        contracts.warn_started_again(self)
        self.gaussian.fit(x)
        self.initialised.fill_(True)

    def denoise(self, z: Tensor, t: Tensor) -> Tensor:
        """The guess of x given z at times t, on the scale -1 to 1.

        (N, C, H, W), (N,) -> (N, C, H, W). Raises RuntimeError before `initialise` was
        called or weights were loaded.
        """
        if not self.initialised:
            raise RuntimeError("this model was never started: call initialise(images), train it, or load weights")
        alpha, sigma = (v[:, None, None, None] for v in signal_and_noise(noise_level(t)))
        guess, std = self.gaussian.guess(z, alpha, sigma)
        noise = (z - alpha * guess) / sigma  # what the guess takes for noise
        shift, share, log_scale = self.corrector(guess, noise, t)
        return drawn_to_levels(guess + std * (shift + share * noise), std * log_scale.clamp(-5, 5).exp())

    def price(self, x: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """What x would pay at all T levels if all were like that at time t, nats.

        T KL(q(z_s | z_t, x) ‖ p(z_s | z_t)) at one draw of z_t, made from the noise.
        (N, C, H, W), (N,), (N, C, H, W) -> (N,).
        """
        gamma = noise_level(t)
        alpha, sigma = (v[:, None, None, None] for v in signal_and_noise(gamma))
        wrong = ((x - self.denoise(alpha * x + sigma * noise, t)) ** 2).sum((1, 2, 3))
        return 0.5 * self.levels * math.expm1((LOUD - QUIET) / self.levels) * torch.exp(-gamma) * wrong

    @torch.no_grad()
    def ends(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """KL(q(z_1 | x) ‖ N(0, 1)), and -log P(x | z_0) at one draw, nats.

        (N, C, H, W), noise of the same shape -> (N,), (N,).
        """
        alpha, sigma = signal_and_noise(noise_level(x.new_tensor([1.0, 0.0])))
        prior = 0.5 * ((alpha[0] * x) ** 2 + sigma[0] ** 2 - 1) - sigma[0].log()
        std = sigma[1] / alpha[1]
        reconstruction = -level_log_prob(x, x + std * noise, std.expand_as(x))
        return prior.sum((1, 2, 3)), reconstruction.sum((1, 2, 3))

    def chance(self, images: Tensor, draw: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Times (N, K) of levels to ask, and noise (N, K + 1, C, H, W).

        The noise is for the levels and for the end; K = 1 in training.
        Where chance comes from: see `contracts.DensityModel.log_prob`.
        """
        asked, dims = 1 if self.training else self.asked, math.prod(self.shape)
        source = {"draw": draw, "generator": generator, "fresh": self.training}
        numbers = bits.normal_noise(images, ((asked + 1) * dims + 1,), **source).to(self.gaussian.mean)
        offset = torch.special.ndtr(numbers[:, :1])  # uniform
        if self.training:  # evenly spread over the batch
            offset = (offset[:1] + torch.arange(len(images)).to(offset)[:, None] / max(1, len(images))) % 1
        place = (torch.arange(asked).to(offset) + offset) / asked
        level = (place * self.levels).floor().clamp(max=self.levels - 1) + 1
        return level / self.levels, numbers[:, 1:].reshape(len(images), asked + 1, *self.shape)

    def account(
        self, images: Tensor, *, draw: int = 0, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The three parts of minus the bound, nats.

        uint8 (N, C, H, W) -> prior (N,), levels (N, K), reconstruction (N,). Column k
        estimates what the k-th of K equal parts of the schedule costs.
        """
        x = self.scaled(images)
        times, noise = self.chance(bits.as_images(images), draw, generator)
        asked = times.shape[1]
        paid = [self.price(x, times[:, k], noise[:, k]) / asked for k in range(asked)]
        prior, reconstruction = self.ends(x, noise[:, asked])
        return prior, torch.stack(paid, 1), reconstruction

    def log_prob(
        self,
        images: Tensor,
        *,
        draws: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """An unbiased estimate of the bound with T levels, nats, mean over draws.

        uint8 (N, C, H, W) -> (N,). A draw asks `asked` levels and one noise at
        each; in training mode one level.
        """
        total = 0
        for draw in range(bits.whole(draws, "draws", 1)):
            prior, paid, reconstruction = self.account(images, draw=draw, generator=generator)
            total = total - prior - paid.sum(1) - reconstruction
        return total / draws

    @torch.no_grad()
    def descend(
        self,
        z: Tensor,
        start: float,
        steps: int,
        *,
        heat: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """From z at time `start` back to time 0 in equal steps.

        (N, C, H, W), -1 to 1; the noise is multiplied by `heat`.
        """
        times = torch.linspace(start, 0, steps + 1).to(z)[:, None].expand(-1, len(z))
        for t, s in zip(times[:-1], times[1:], strict=True):
            gamma, gamma_s = (
                noise_level(t)[:, None, None, None],
                noise_level(s)[:, None, None, None],
            )
            (alpha, _), (alpha_s, sigma_s) = (
                signal_and_noise(gamma),
                signal_and_noise(gamma_s),
            )
            new = -torch.expm1(gamma_s - gamma)  # the share of the guess
            noise = torch.randn(z.shape, **bits.chance(generator)).to(z)
            z = alpha_s * ((1 - new) * z / alpha + new * self.denoise(z, t)) + heat * sigma_s * new.sqrt() * noise
        return z / signal_and_noise(noise_level(z.new_zeros(())))[0]

    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """n images by going back from noise in 100 steps, uint8 (n, C, H, W).

        In T steps, where T is less. All noise is multiplied by the temperature. Raises
        ValueError where that is negative or not finite.
        """
        heat, n = bits.checked_temperature(temperature), bits.whole(n, "n", 0)
        z = heat * torch.randn(n, *self.shape, **bits.chance(generator)).to(self.gaussian.mean)
        return to_grey_levels(self.descend(z, 1.0, min(self.levels, 100), heat=heat, generator=generator))
