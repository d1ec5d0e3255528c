"""Exported from book/08_likelihood_taken_apart.ipynb, the chapter that explains it: edit that, then `make export`."""

import torch
from torch import nn

from likelab.models.pixelcnn import PixelCNN, PixelConv, shift_down, shift_right, walk, with_ones
from likelab.models.vae import to_grey_levels


class LocalPixelCNN(PixelCNN):
    """A PixelCNN that sees 3×3 pixels: each depends on its left neighbour and the three above.

    Arguments as for PixelCNN, whose blocks give way to 1×1 convolutions.
    """

    def __init__(self, shape=(3, 32, 32), channels=64, mixtures=3, levels=256):
        super().__init__(shape, channels, 0, mixtures, levels)
        del self.rows, self.left
        self.look = PixelConv(4 * (shape[0] + 1), channels)
        self.think = nn.Sequential(nn.ELU(), PixelConv(channels, channels), nn.ELU(), PixelConv(channels, channels))
        self.to(memory_format=torch.channels_last)

    def features(self, x):
        """What the network says about each pixel, from four neighbours. (N, C, H, W) -> (N, F, H, W)."""
        left, above = shift_right(with_ones(x)), shift_down(with_ones(x))
        seen = torch.cat([left, shift_right(above), above, shift_right(above.flip(3)).flip(3)], 1)
        h = self.look(seen.contiguous(memory_format=torch.channels_last))
        return self.beside(self.head(nn.functional.elu(h + self.think(h))), left[:, :-1])

    @torch.no_grad()
    def sample(self, n, generator=None):
        """Draw n images, one pass of the network a pixel. -> uint8 (n, C, H, W)."""
        noise = self.noise(n, generator)
        x = walk(self, n, lambda features, i, j: self.draw(features, noise[:, :, i, j, None, None]))
        return to_grey_levels(x, self.levels)
