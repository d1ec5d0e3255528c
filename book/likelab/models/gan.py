"""Exported from book/06_without_a_likelihood.ipynb, the chapter that explains it: edit that, then `make export`."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from tqdm import tqdm

from likelab import bits


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's loss; its scores of data and of samples, (N,), (N,) -> ().

    Lim & Ye 2017.
    """
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


class Generator(nn.Module):
    """Noise (N, latents) to images (N, C, H, W) between -1 and 1.

    shape: (C, H, W) of an image, H and W multiples of 8; channels: of the last layers,
    a quarter of the first's. After Radford et al. 2016.
    """

    def __init__(self, shape: tuple[int, int, int], latents: int, channels: int):
        super().__init__()
        c, h, w = shape
        self.start = (4 * channels, h // 8, w // 8)
        self.linear = nn.Linear(latents, 4 * channels * (h // 8) * (w // 8))
        self.body = nn.Sequential(
            *self.block(4 * channels, 4 * channels),
            *self.block(4 * channels, 2 * channels),
            *self.block(2 * channels, channels),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, c, 3, padding=1),
        )

    def block(self, inputs: int, outputs: int) -> list[nn.Module]:
        """The layers that double height and width."""
        smooth = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [nn.BatchNorm2d(inputs), nn.ReLU(), nn.Upsample(scale_factor=2), smooth]

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.body(self.linear(z).unflatten(1, self.start)))


class Discriminator(nn.Module):
    """A score for each image: high for data, low for samples.

    (N, C, H, W) between -1 and 1 -> (N,). wrap: what is done to every layer with
    weights; spectral normalisation, unless a failure is wanted.
    """

    def __init__(self, shape: tuple[int, int, int], channels: int, wrap=spectral_norm):
        super().__init__()
        c, h, w = shape
        layers = []
        for inputs, outputs in (
            (c, channels),
            (channels, 2 * channels),
            (2 * channels, 4 * channels),
        ):
            layers += [
                wrap(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)),
                nn.LeakyReLU(0.2),
            ]
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.last = wrap(nn.Linear(4 * channels * (h // 8) * (w // 8), 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.features(x)).squeeze(1)


def to_unit(images: Tensor) -> Tensor:
    """Grey levels 0 to 255 on the scale -1 to 1."""
    return bits.as_images(images).float() / 127.5 - 1


def to_grey(x: Tensor) -> Tensor:
    """Values between -1 and 1 as grey levels, uint8."""
    return ((x + 1) * 127.5).round().to(torch.uint8)


def move(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down the loss for the weights that the optimiser holds.

    No other weight gets a gradient.
    """
    weights = optimiser.param_groups[0]["params"]
    for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = gradient
    optimiser.step()


class GAN(nn.Module):
    """A generator and its discriminator. It draws images; it has no log_prob.

    Goodfellow et al. 2014.
    """

    def __init__(
        self,
        shape=(3, 32, 32),
        latents: int = 64,
        channels: int = 16,
        wrap=spectral_norm,
    ):
        super().__init__()
        self.shape, self.latents = tuple(shape), latents
        self.generator = Generator(shape, latents, channels)
        self.discriminator = Discriminator(shape, channels, wrap)

    def noise(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draws of z from a standard normal, (n, latents), on the model's device."""
        weight = self.generator.linear.weight
        return torch.randn(n, self.latents, **bits.chance(generator, weight.device)).to(weight.device)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """n images, uint8 (n, C, H, W), to be asked in evaluation mode.

        temperature multiplies the noise.
        """
        z = bits.checked_temperature(temperature) * self.noise(n, generator=generator)
        return torch.cat([to_grey(self.generator(part)) for part in z.split(200)])

    @torch.no_grad()
    def score(self, images: Tensor) -> Tensor:
        """The discriminator's score, higher for what it takes for data.

        uint8 (N, C, H, W) -> (N,).
        """
        return torch.cat([self.discriminator(to_unit(batch)) for batch in images.split(200)])

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """The discriminator's features of uint8 images (N, C, H, W): (N, F)."""
        return torch.cat([self.discriminator.features(to_unit(batch)) for batch in images.split(200)])

    def discriminator_loss(self, real: Tensor, z: Tensor) -> Tensor:
        """The hinge for images and as many samples; no gradient reaches G.

        real: (N, C, H, W) between -1 and 1; z: (N, latents).
        """
        with torch.no_grad():
            fake = self.generator(z)
        return hinge(self.discriminator(real), self.discriminator(fake))

    def generator_loss(self, z: Tensor) -> Tensor:
        """Minus the mean score of samples; its gradient goes through D to G."""
        return -self.discriminator(self.generator(z)).mean()


def play(
    gan: GAN,
    images: Tensor,
    *,
    steps: int,
    batch_size: int = 32,
    lr: float = 4e-4,
    flip: bool = True,
    seed: int = 0,
    every: int = 100,
    watch=None,
) -> list[tuple[float, float]]:
    """Train both players on uint8 images (N, C, H, W); end in evaluation mode.

    Each step draws batch_size images with replacement, mirrors half of them (flip),
    moves D once and then G once, by Adam with β 0 and 0.99. watch(step, gan) is called
    at the start and every `every` steps, in evaluation mode.
    Returns [(hinge loss of D, loss of G)], one a step.
    """
    images = bits.as_images(images, gan.shape)
    chance, home = (
        torch.Generator().manual_seed(seed),
        gan.generator.linear.weight.device,
    )
    players = (gan.discriminator, gan.generator)
    of_d, of_g = (torch.optim.Adam(player.parameters(), lr=lr, betas=(0.0, 0.99), fused=True) for player in players)
    losses = []
    for step in tqdm(range(steps), "training", mininterval=1):
        if watch and step % every == 0:
            watch(step, gan.eval())
        gan.train()
        batch = images[torch.randint(len(images), (batch_size,), generator=chance)]
        if flip:
            mirrored = torch.rand(batch_size, generator=chance) < 0.5
            batch = torch.where(mirrored[:, None, None, None], batch.flip(3), batch)
        loss_d = gan.discriminator_loss(to_unit(batch.to(home)), gan.noise(batch_size, generator=chance))
        move(of_d, loss_d)
        loss_g = gan.generator_loss(gan.noise(batch_size, generator=chance))
        move(of_g, loss_g)
        losses.append((loss_d.item(), loss_g.item()))
    gan.eval()
    if watch:
        watch(steps, gan)
    return losses


def search(gan: GAN, images: Tensor, *, steps: int = 100, lr: float = 0.05) -> Tensor:
    """The z whose G(z) is closest to uint8 images, by Adam from z = 0.

    (N, C, H, W) -> (N, latents). Close is mean |x − G(z)|, with the model in evaluation
    mode; each image has a search of its own. Schlegl et al. 2017.
    """
    x = to_unit(images)
    z = torch.zeros(len(x), gan.latents, device=x.device, requires_grad=True)
    optimiser = torch.optim.Adam([z], lr=lr)
    for _ in range(steps):
        move(optimiser, (gan.generator(z) - x).abs().mean((1, 2, 3)).sum())
    return z.detach()


class LatentEncoder(nn.Module):
    """A guess of z from an image: (N, C, H, W) between -1 and 1 -> (N, latents).

    Schlegl et al. 2019.
    """

    def __init__(self, shape: tuple[int, int, int], latents: int, channels: int):
        super().__init__()
        self.net = Discriminator(shape, channels, wrap=nn.Identity())
        self.net.last = nn.Linear(self.net.last.in_features, latents)

    def forward(self, x: Tensor) -> Tensor:
        return self.net.last(self.net.features(x))


@torch.no_grad()
def residuals(gan: GAN, images: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """What G(z) leaves of each image, over pixels and over D's features; both (N,).

    Mean |x − G(z)|, likewise of the features.
    """
    found = gan.generator(z)
    by_features = gan.discriminator.features(to_unit(images)) - gan.discriminator.features(found)
    return (to_unit(images) - found).abs().mean((1, 2, 3)), by_features.abs().mean(1)
