"""Exported from book/08_likelihood_taken_apart.ipynb, the chapter that explains it: edit that, then `make export`."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from likelab.models.pixelcnn import (
    AutoregressiveModel,
    MixtureHead,
    PointwiseConv,
    shift_down,
    shift_right,
    with_ones,
)


class LocalPixelCNN(AutoregressiveModel):
    """A PixelCNN that sees 3×3 pixels, by 1×1 convolutions.

    Each pixel depends on its left neighbour and the three above. Arguments as for
    AutoregressiveModel.
    """

    def __init__(
        self,
        shape: tuple = (3, 32, 32),
        channels: int = 64,
        mixtures: int = 3,
        levels: int = 256,
    ):
        super().__init__(shape, channels, mixtures, levels)
        self.inputs = PointwiseConv(4 * (shape[0] + 1), channels)
        layers = [PointwiseConv(channels, channels) for _ in range(2)]
        self.hidden = nn.Sequential(nn.ELU(), layers[0], nn.ELU(), layers[1])
        self.head = MixtureHead(channels, shape[0], mixtures)
        self.to(memory_format=torch.channels_last)

    def features(self, x: Tensor) -> Tensor:
        """What the network says about each pixel, from four neighbours.

        (N, C, H, W) -> (N, F, H, W).
        """
        left, above = shift_right(with_ones(x)), shift_down(with_ones(x))
        above_left, above_right = shift_right(above), shift_right(above.flip(3)).flip(3)
        seen = torch.cat([left, above_left, above, above_right], 1)
        h = self.inputs(seen.contiguous(memory_format=torch.channels_last))
        return self.head(F.elu(h + self.hidden(h)))
