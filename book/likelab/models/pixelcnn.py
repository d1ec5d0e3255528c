"""Exported from book/04_pixelcnn.ipynb, the chapter that explains it: edit that, then `make export`."""

import torch
import torch.nn.functional as F
from torch import nn

from likelab import bits
from likelab.models.vae import discretised_logistic, to_grey_levels


class RowsConv(nn.Conv2d):
    """Of the vertical stack: sees a row and the row above it, three columns wide."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, (2, 3))

    def forward(self, x):
        return super().forward(F.pad(x, (1, 1, 1, 0)))

    def step(self, above, row):
        """One row of the result, from that row of the input and the one above. (N, C, 1, W) -> the same."""
        return super().forward(F.pad(torch.cat([above, row], 2), (1, 1)))


class LeftConv(nn.Conv2d):
    """Of the horizontal stack: sees a pixel and the one to its left."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, (1, 2))

    def forward(self, x):
        return super().forward(F.pad(x, (1, 0)))

    def step(self, left, pixel):
        """One pixel of the result, from that pixel of the input and its left one. (N, C), (N, C) -> (N, C')."""
        return F.linear(torch.stack([left, pixel], 2).flatten(1), self.weight.flatten(1), self.bias)


class PixelConv(nn.Conv2d):
    """A 1×1 convolution: sees the pixel alone."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, 1)

    def step(self, pixel):
        """One pixel of the result. (N, C) -> (N, C')."""
        return F.linear(pixel, self.weight.flatten(1), self.bias)


def shift_down(x):
    """Row i becomes row i + 1; row 0 becomes zero."""
    return F.pad(x, (0, 0, 1, -1))


def shift_right(x):
    """Column j becomes column j + 1; column 0 becomes zero."""
    return F.pad(x, (1, -1))


def gate(x):
    """The first half of the channels times the sigmoid of the second. After van den Oord et al. 2016b, eq. 2."""
    a, b = x.chunk(2, 1)
    return a * torch.sigmoid(b)


class Block(nn.Module):
    """One gated layer of both stacks. After van den Oord et al. 2016b, figure 2."""

    def __init__(self, channels):
        super().__init__()
        self.rows = RowsConv(channels, 2 * channels)
        self.left = LeftConv(channels, 2 * channels)
        self.across = PixelConv(channels, 2 * channels)
        self.out = PixelConv(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, v, h):
        v = v + gate(self.rows(v))
        return v, h + self.out(gate(self.left(h) + self.across(v)))


def with_ones(x):
    """Add a channel of ones. (N, C, H, W) -> (N, C + 1, H, W)."""
    return torch.cat([x, torch.ones_like(x[:, :1])], 1)


def of_colour(coefficients, c):
    """Those of the coefficients that belong to colour c: one for each colour before it."""
    return coefficients[c * (c - 1) // 2 : c * (c + 1) // 2]


class PixelCNN(nn.Module):
    """An autoregressive model of images with two gated stacks. van den Oord et al. 2016b, Salimans et al. 2017.

    shape: (C, H, W). channels: of each stack. blocks: gated layers. mixtures: logistics a pixel. levels: images
    hold whole numbers below it. Its log_prob is exact.
    """

    def __init__(self, shape=(3, 32, 32), channels=32, blocks=3, mixtures=3, levels=256):
        super().__init__()
        colours = shape[0]
        self.shape, self.mixtures, self.levels = tuple(shape), mixtures, levels
        self.rows = RowsConv(colours + 1, channels)
        self.left = LeftConv(colours + 1, channels)
        self.blocks = nn.ModuleList(Block(channels) for _ in range(blocks))
        # of each logistic: logit, mean and log-scale of each colour, a coefficient for each pair of colours
        self.sizes = [1, colours, colours, colours * (colours - 1) // 2]
        self.head = PixelConv(channels, mixtures * sum(self.sizes))
        with torch.no_grad():  # to begin with: like the left neighbour, all colours moving together
            self.head.weight.mul_(0.1)
            logits, means, log_scales, coefficients = self.head.bias.view(mixtures, -1).split(self.sizes, 1)
            logits.zero_()
            means.copy_(torch.linspace(-0.1, 0.1, mixtures)[:, None])
            log_scales.fill_(-2.5)
            for c in range(1, colours):
                of_colour(coefficients.T, c).copy_(torch.eye(c)[:, -1:])
        self.to(memory_format=torch.channels_last)

    def scaled(self, images):
        """uint8 (N, C, H, W) -> numbers from -1 to 1, on the weights' device, in their precision."""
        bits.check_images(images, self.shape[0])
        if tuple(images.shape[1:]) != self.shape:
            raise ValueError(f"images have shape {tuple(images.shape[1:])}, but this model was built for {self.shape}")
        if self.levels < bits.LEVELS and (images >= self.levels).any():
            raise ValueError(f"images hold {images.max()}, but this model knows the levels 0 to {self.levels - 1}")
        return images.to(self.head.weight) * (2 / (self.levels - 1)) - 1

    def features(self, x):
        """What the network says about each pixel, from the pixels before it. (N, C, H, W) -> (N, F, H, W)."""
        x = with_ones(x).contiguous(memory_format=torch.channels_last)
        v = self.rows(shift_down(x))
        h = v + self.left(shift_right(x))
        for block in self.blocks:
            v, h = block(v, h)
        return self.beside(self.head(F.elu(h)), shift_right(x[:, :-1]))

    def beside(self, features, left):
        """Let the means count from the pixel to the left. (N, F, H, W), (N, C, H, W) -> (N, F, H, W)."""
        logits, means, *others = features.unflatten(1, (self.mixtures, -1)).split(self.sizes, 2)
        return torch.cat([logits, means + left[:, None], *others], 2).flatten(1, 2)

    def mixture(self, features):
        """(N, F, H, W) -> logits (N, K, H, W), means, log-scales, coefficients (N, K, ·, H, W)."""
        features = features.unflatten(1, (self.mixtures, -1))
        logits, means, log_scales, coefficients = features.split(self.sizes, 2)
        return logits[:, :, 0], means, log_scales.clamp(-7, 2), torch.tanh(coefficients)

    def log_joint(self, x):
        """log P of a pixel's colours up to c, given the pixels before it. (N, C, H, W) -> (N, C, H, W), nats."""
        logits, means, log_scales, coefficients = self.mixture(self.features(x))
        surprise, coefficients = (x[:, None] - means).unbind(2), coefficients.unbind(2)
        means = list(means.unbind(2))
        for c in range(len(means)):
            for before, factor in enumerate(of_colour(coefficients, c)):
                means[c] = means[c] + factor * surprise[before]
        log_p = discretised_logistic(x[:, None], torch.stack(means, 2), log_scales, self.levels)
        return torch.logsumexp(F.log_softmax(logits, 1)[:, :, None] + log_p.cumsum(2), 1)

    def log_conditionals(self, x):
        """log P(x_ic | all numbers before it), in nats; x on the scale -1 to 1. (N, C, H, W) -> (N, C, H, W)."""
        joint = self.log_joint(x)
        return torch.diff(joint, dim=1, prepend=torch.zeros_like(joint[:, :1]))

    def log_prob(self, images, generator=None):
        """log P(x), exact, in nats. uint8 (N, C, H, W) -> (N,). Nothing is drawn: the generator is not used."""
        return self.log_joint(self.scaled(images))[:, -1].sum((1, 2))

    def noise(self, n, generator=None):
        """All the chance that n images need: K Gumbel and C logistic numbers a pixel, (n, K + C, H, W)."""
        u = torch.rand(n, self.mixtures + self.shape[0], *self.shape[1:], generator=generator, dtype=torch.float64)
        gumbel, logistic = u.clamp(1e-7, 1 - 1e-7).split([self.mixtures, self.shape[0]], 1)
        return torch.cat([-torch.log(-torch.log(gumbel)), torch.logit(logistic)], 1).to(self.head.weight)

    def draw(self, features, noise):
        """One pixel of each image, from features (N, F, 1, 1) and noise (N, K + C, 1, 1). -> (N, C, 1, 1)."""
        logits, *parameters = self.mixture(features)
        gumbel, logistic = noise.split([self.mixtures, self.shape[0]], 1)
        chosen = (logits + gumbel).argmax(1).flatten()  # each logistic with its probability
        images = torch.arange(len(chosen), device=chosen.device)
        means, log_scales, coefficients = (t[images, chosen].unbind(1) for t in parameters)
        pixel, surprise = [], []
        for c, standard in enumerate(logistic.unbind(1)):
            moved = (factor * surprise[before] for before, factor in enumerate(of_colour(coefficients, c)))
            mean = means[c] + sum(moved)
            value = mean + log_scales[c].exp() * standard
            level = ((value + 1) * (self.levels - 1) / 2).round().clamp(0, self.levels - 1)
            pixel.append(level * (2 / (self.levels - 1)) - 1)  # whole, before the next colour sees it
            surprise.append(pixel[c] - means[c])
        return torch.stack(pixel, 1)

    @torch.no_grad()
    def sample(self, n, generator=None):
        """Draw n images, with a cache. -> uint8 (n, C, H, W)."""
        noise = self.noise(n, generator)
        x = walk_cached(self, n, lambda features, i, j: self.draw(features, noise[:, :, i, j, None, None]))
        return to_grey_levels(x, self.levels)


def walk(model, n, choose):
    """Go through n images in reading order; `choose(features, i, j)` gives each pixel. -> (n, C, H, W) in [-1, 1]."""
    x = model.head.weight.new_zeros(n, *model.shape)
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            features = model.features(x)[:, :, i, j, None, None]
            x[:, :, i, j, None, None] = choose(features, i, j)
    return x


def walk_cached(model, n, choose):
    """The walk once more; each layer keeps its input of the row above and of the pixel to the left."""
    colours, height, width = model.shape
    channels, blocks, zeros = model.head.in_channels, model.blocks, model.head.weight.new_zeros
    above = row = zeros(n, colours + 1, 1, width)  # the image's last two rows
    v_above = [zeros(n, channels, 1, width)] * len(blocks)
    done = []
    for i in range(height):
        start = v = model.rows.step(above, row)
        across = []
        for k, block in enumerate(blocks):
            v_above[k], v = v, v + gate(block.rows.step(v_above[k], v))
            across.append(block.across(v))
        before = left = zeros(n, colours + 1)  # the row's last two pixels
        h_left = [zeros(n, channels)] * len(blocks)
        pixels = []
        for j in range(width):
            h = start[..., 0, j] + model.left.step(before, left)
            for k, block in enumerate(blocks):
                seen = block.left.step(h_left[k], h) + across[k][..., 0, j]
                h_left[k], h = h, h + block.out.step(gate(seen))
            features = model.head.step(F.elu(h))[:, :, None, None]
            pixels.append(choose(model.beside(features, left[:, :colours, None, None]), i, j))
            before, left = left, with_ones(pixels[-1])[..., 0, 0]
        above, row = row, with_ones(torch.cat(pixels, 3))
        done.append(row[:, :colours])
    return torch.cat(done, 2)
