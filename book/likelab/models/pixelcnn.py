"""Exported from book/04_pixelcnn.ipynb, the chapter that explains it: edit that, then `make export`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from likelab import bits
from likelab.models.vae import discretised_logistic, to_grey_levels


class VerticalConv(nn.Conv2d):
    """A layer of the vertical stack: sees a row and the one above, 3 columns wide."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, (2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (1, 1, 1, 0)))

    def step(self, above: Tensor, row: Tensor) -> Tensor:
        """One row of the output, from that row of the input and the one above.

        Twice (N, C, 1, W) -> (N, C', 1, W).
        """
        return super().forward(F.pad(torch.cat([above, row], 2), (1, 1)))


class HorizontalConv(nn.Conv2d):
    """A layer of the horizontal stack: sees a pixel and the one to its left."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, (1, 2))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (1, 0)))

    def step(self, left: Tensor, pixel: Tensor) -> Tensor:
        """One pixel of the output, from that pixel of the input and its left one.

        Twice (N, C) -> (N, C').
        """
        return F.linear(torch.stack([left, pixel], 2).flatten(1), self.weight.flatten(1), self.bias)


class PointwiseConv(nn.Conv2d):
    """A 1×1 convolution: sees the pixel alone."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 1)

    def step(self, pixel: Tensor) -> Tensor:
        """One pixel of the output. (N, C) -> (N, C')."""
        return F.linear(pixel, self.weight.flatten(1), self.bias)


def shift_down(x: Tensor) -> Tensor:
    """Row i becomes row i + 1, row 0 zero. (N, C, H, W) -> the same shape."""
    return F.pad(x, (0, 0, 1, -1))


def shift_right(x: Tensor) -> Tensor:
    """Column j becomes column j + 1, column 0 zero. (N, C, H, W) -> the same shape."""
    return F.pad(x, (1, -1))


def gate(x: Tensor) -> Tensor:
    """Half of the channels times the sigmoid of the other. (N, 2C, …) -> (N, C, …).

    After van den Oord et al. 2016b, eq. 2, without its tanh.
    """
    a, b = x.chunk(2, 1)
    return a * torch.sigmoid(b)


class Block(nn.Module):
    """One gated layer of both stacks, v and h, (N, C, H, W) each.

    After van den Oord et al. 2016b, figure 2.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.vertical = VerticalConv(channels, 2 * channels)
        self.horizontal = HorizontalConv(channels, 2 * channels)
        self.vertical_to_horizontal = PointwiseConv(channels, 2 * channels)
        self.out = PointwiseConv(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        v = v + gate(self.vertical(v))
        return v, h + self.out(gate(self.horizontal(h) + self.vertical_to_horizontal(v)))


def from_grey_levels(grey: Tensor, levels: int) -> Tensor:
    """Grey levels 0 to levels - 1 -> numbers from -1 to 1, same shape."""
    return grey * (2 / (levels - 1)) - 1


@dataclass
class LogisticMixture:
    """At each pixel, a mixture of K discretised logistics over its C colours.

    Salimans et al. 2017, section 2. Means and log-scales belong to colours on the scale
    -1 to 1, cut into `levels` grey levels.
    """

    logits: Tensor  # (N, K, H, W)
    means: Tensor  # (N, K, C, H, W)
    log_scales: Tensor  # (N, K, C, H, W)
    coefficients: Tensor  # (N, K, C (C - 1) / 2, H, W), in the order α, β, γ
    levels: int

    def conditional_mean(self, residuals: list[Tensor]) -> Tensor:
        """Mean of the next colour, from the residuals x - μ of those before it.

        (N, K, H, W) each.
        """
        c = len(residuals)
        factors = self.coefficients[:, :, c * (c - 1) // 2 : c * (c + 1) // 2].unbind(2)
        return self.means[:, :, c] + sum(factor * residual for factor, residual in zip(factors, residuals, strict=True))

    def log_joint(self, x: Tensor) -> Tensor:
        """log P of a pixel's colours up to c, in nats. (N, C, H, W) -> the same shape.

        The last one is of the whole pixel.
        """
        residuals = (x[:, None] - self.means).unbind(2)
        means = torch.stack([self.conditional_mean(residuals[:c]) for c in range(len(residuals))], 2)
        log_p = discretised_logistic(x[:, None], means, self.log_scales, self.levels)
        return torch.logsumexp(F.log_softmax(self.logits, 1)[:, :, None] + log_p.cumsum(2), 1)

    def component(self, k: Tensor) -> "LogisticMixture":
        """The logistic that k chooses at each pixel, as a mixture of one.

        k: whole numbers (N, 1, H, W).
        """
        parts = (
            self.logits[:, :, None],
            self.means,
            self.log_scales,
            self.coefficients,
        )
        logits, *others = (part.take_along_dim(k[:, :, None], 1) for part in parts)
        return LogisticMixture(logits[:, :, 0], *others, self.levels)

    def sample(self, noise: Tensor) -> Tensor:
        """Draw each pixel, from K Gumbel and C logistic numbers.

        (N, K + C, H, W) -> (N, C, H, W), from -1 to 1.
        """
        gumbel, logistic = noise.split([self.means.shape[1], self.means.shape[2]], 1)
        # each with its probability
        chosen = self.component((self.logits + gumbel).argmax(1, keepdim=True))
        pixel, residuals = [], []
        for c, standard in enumerate(logistic.split(1, 1)):
            value = chosen.conditional_mean(residuals) + chosen.log_scales[:, :, c].exp() * standard
            # whole, before the next colour sees it
            grey = to_grey_levels(value, self.levels)
            pixel.append(from_grey_levels(grey.to(value), self.levels))
            residuals.append(pixel[c] - chosen.means[:, :, c])
        return torch.cat(pixel, 1)


class MixtureHead(PointwiseConv):
    """The last layer: at each pixel, a mixture of logistics over its colours."""

    def __init__(self, channels: int, colours: int, mixtures: int):
        # of each logistic: logit, mean and log-scale of each colour, and a coefficient
        # for each pair of colours
        sizes = [1, colours, colours, colours * (colours - 1) // 2]
        super().__init__(channels, mixtures * sum(sizes))
        self.mixtures, self.sizes = mixtures, sizes
        self.start_like_left_neighbour()

    @torch.no_grad()
    def start_like_left_neighbour(self) -> None:
        """Start as: like the left neighbour, all colours moving together.

        See the note in the chapter.
        """
        self.weight.mul_(0.1)
        logits, means, log_scales, coefficients = self.bias.view(self.mixtures, -1).split(self.sizes, 1)
        logits.zero_()
        means.copy_(torch.linspace(-0.1, 0.1, self.mixtures)[:, None])
        log_scales.fill_(-2.5)
        coefficients.zero_()
        for c in range(1, self.sizes[1]):
            coefficients[:, c * (c + 1) // 2 - 1] = 1  # of the colour right before c

    def mixture(self, features: Tensor, left: Tensor, levels: int) -> LogisticMixture:
        """The pixels' distribution, from features and left neighbours.

        (N, F, H, W), (N, C, H, W) -> a mixture at each pixel.
        """
        logits, means, log_scales, coefficients = features.unflatten(1, (self.mixtures, -1)).split(self.sizes, 2)
        means, log_scales, coefficients = (
            means + left[:, None],
            log_scales.clamp(-7, 2),
            torch.tanh(coefficients),
        )
        return LogisticMixture(logits[:, :, 0], means, log_scales, coefficients, levels)


class AutoregressiveModel(nn.Module):
    """P(x) as a product over pixels in reading order, each a LogisticMixture. Exact.

    A subclass has the network, `features`, whose last layer is `head`, a MixtureHead.
    shape: (C, H, W). channels: of the network. mixtures: logistics of a pixel. levels:
    images hold whole numbers below it. Inside, images are on the scale -1 to 1. Raises
    ValueError for numbers of which no model can be built.
    """

    def __init__(self, shape: tuple, channels: int, mixtures: int, levels: int):
        super().__init__()
        if channels < 1 or mixtures < 1 or not 2 <= levels <= bits.LEVELS:
            raise ValueError(
                f"{channels} channels, {mixtures} mixtures and {levels} levels "
                "make no model: give at least one channel and one mixture, "
                f"and 2 to {bits.LEVELS} levels"
            )
        self.shape, self.levels = tuple(shape), levels

    def scaled(self, images: Tensor | np.ndarray) -> Tensor:
        """uint8 (N, C, H, W) -> -1 to 1, on the weights' device, in their precision."""
        images = bits.as_images(images, self.shape)
        if self.levels < bits.LEVELS and (images >= self.levels).any():
            raise ValueError(f"images hold {images.max()}, but this model knows the levels 0 to {self.levels - 1}")
        return from_grey_levels(images.to(self.head.weight), self.levels)

    def features(self, x: Tensor) -> Tensor:
        """What the network says about each pixel, from the pixels before it.

        (N, C, H, W) -> (N, F, H, W).
        """
        raise NotImplementedError

    def mixture(self, features: Tensor, left: Tensor) -> LogisticMixture:
        """The pixels' distribution, as `MixtureHead.mixture` gives it."""
        return self.head.mixture(features, left, self.levels)

    def log_joint(self, x: Tensor) -> Tensor:
        """log P of a pixel's colours up to c, given the pixels before it, in nats.

        (N, C, H, W) -> the same shape.
        """
        return self.mixture(self.features(x), shift_right(x)).log_joint(x)

    def log_conditionals(self, x: Tensor) -> Tensor:
        """log P(x_cij | all numbers before it), in nats. (N, C, H, W) -> the same."""
        joint = self.log_joint(x)
        return torch.diff(joint, dim=1, prepend=torch.zeros_like(joint[:, :1]))

    def log_prob(
        self,
        images: Tensor | np.ndarray,
        *,
        draws: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """log P(x), exact, in nats. uint8 (N, C, H, W) -> (N,).

        Nothing is random: the options change nothing.
        """
        return self.log_joint(self.scaled(images))[:, -1].sum((1, 2))

    def noise(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """All the chance that n images need, (n, K + C, H, W).

        For each pixel K Gumbel and C logistic numbers.
        """
        sizes = [self.head.mixtures, self.shape[0]]
        n = bits.whole(n, "n", 0)
        u = torch.rand(
            n,
            sum(sizes),
            *self.shape[1:],
            **bits.chance(generator, dtype=torch.float64),
        )
        gumbel, logistic = u.clamp(1e-7, 1 - 1e-7).split(sizes, 1)
        return torch.cat([-torch.log(-torch.log(gumbel)), torch.logit(logistic)], 1).to(self.head.weight)

    def generate(self, n: int, choose: Callable) -> Tensor:
        """n images, pixel by pixel, as the function `generate`.

        A subclass may know a faster way.
        """
        return generate(self, n, choose)

    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n images. -> uint8 (n, C, H, W).

        temperature: multiplies all noise, as if it divided the logits.

        Raises ValueError where the temperature is negative or not finite.
        """
        noise = bits.checked_temperature(temperature) * self.noise(n, generator=generator)
        x = self.generate(
            len(noise),
            lambda mixture, i, j: mixture.sample(noise[:, :, i, j, None, None]),
        )
        return to_grey_levels(x, self.levels)


def with_ones(x: Tensor) -> Tensor:
    """Add a channel of ones. (N, C, H, W) -> (N, C + 1, H, W)."""
    return torch.cat([x, torch.ones_like(x[:, :1])], 1)


class PixelCNN(AutoregressiveModel):
    """A gated PixelCNN: two stacks, and mixtures of logistics.

    Van den Oord et al. 2016b; Salimans et al. 2017. Not as there: the gate has no tanh,
    both stacks are residual, and means count from the left neighbour. blocks: gated
    layers after the first. Other arguments as for AutoregressiveModel.
    """

    def __init__(
        self,
        shape: tuple = (3, 32, 32),
        channels: int = 32,
        blocks: int = 3,
        mixtures: int = 3,
        levels: int = 256,
    ):
        super().__init__(shape, channels, mixtures, levels)
        self.vertical = VerticalConv(shape[0] + 1, channels)
        self.horizontal = HorizontalConv(shape[0] + 1, channels)
        self.blocks = nn.ModuleList(Block(channels) for _ in range(blocks))
        self.head = MixtureHead(channels, shape[0], mixtures)
        self.to(memory_format=torch.channels_last)

    def features(self, x: Tensor) -> Tensor:
        """What the two stacks say about each pixel. (N, C, H, W) -> (N, F, H, W)."""
        x = with_ones(x).contiguous(memory_format=torch.channels_last)
        v = self.vertical(shift_down(x))
        h = v + self.horizontal(shift_right(x))
        for block in self.blocks:
            v, h = block(v, h)
        return self.head(F.elu(h))

    def generate(self, n: int, choose: Callable) -> Tensor:
        """n images, pixel by pixel, as the function `generate_cached`."""
        return generate_cached(self, n, choose)


@torch.no_grad()
def generate(model: AutoregressiveModel, n: int, choose: Callable) -> Tensor:
    """n images in reading order, a pass a pixel. -> (n, C, H, W), from -1 to 1.

    choose(mixture, i, j) gives the pixels (n, C, 1, 1) at row i, column j from their
    LogisticMixture.
    """
    x = model.head.weight.new_zeros(n, *model.shape)
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            here = ..., slice(i, i + 1), slice(j, j + 1)
            x[here] = choose(model.mixture(model.features(x)[here], shift_right(x)[here]), i, j)
    return x


@torch.no_grad()
def generate_cached(model: PixelCNN, n: int, choose: Callable) -> Tensor:
    """As `generate`: the same images from the same arguments, no work done twice."""
    colours, height, width = model.shape
    channels, zeros = model.head.in_channels, model.head.weight.new_zeros
    row_above = row = zeros(n, colours + 1, 1, width)  # the image's last two rows
    # the input of each vertical layer at the row above
    v_above = [zeros(n, channels, 1, width)] * len(model.blocks)
    rows = []
    for i in range(height):
        v = model.vertical.step(row_above, row)
        links = [v]  # what each horizontal layer gets from the vertical stack
        for k, block in enumerate(model.blocks):
            v_above[k], v = v, v + gate(block.vertical.step(v_above[k], v))
            links.append(block.vertical_to_horizontal(v))
        row_above, row = row, generate_row(model, links, choose, i)
        rows.append(row[:, :colours])
    return torch.cat(rows, 2)


def generate_row(model: PixelCNN, links: list[Tensor], choose: Callable, i: int) -> Tensor:
    """Row i and its channel of ones, from what the vertical stack gives to each layer.

    -> (n, C + 1, 1, W).
    """
    n, channels, _, width = links[0].shape
    # the row's last two pixels
    before = left = links[0].new_zeros(n, model.shape[0] + 1)
    # the input of each horizontal layer at the left
    h_left = [links[0].new_zeros(n, channels)] * len(model.blocks)
    pixels = []
    for j in range(width):
        start, *others = (link[..., 0, j] for link in links)
        h = start + model.horizontal.step(before, left)
        for k, block in enumerate(model.blocks):
            h_left[k], h = (
                h,
                h + block.out.step(gate(block.horizontal.step(h_left[k], h) + others[k])),
            )
        features = model.head.step(F.elu(h))[..., None, None]
        pixels.append(with_ones(choose(model.mixture(features, left[:, :-1, None, None]), i, j)))
        before, left = left, pixels[j][..., 0, 0]
    return torch.cat(pixels, 3)
