"""Exported from book/02_bits_per_dimension.ipynb, the chapter that explains it: edit that, then `make export`."""

import math

import torch
from torch import nn

from likelab import bits


class Gaussian(nn.Module):
    """A full-covariance Gaussian over images, fitted in closed form; its one knob is the ridge."""

    def __init__(self, shape=(3, 32, 32)):
        super().__init__()
        dims = math.prod(shape)
        self.shape = shape
        self.register_buffer("mean", torch.zeros(dims, dtype=torch.float64))
        self.register_buffer("basis", torch.eye(dims, dtype=torch.float64))  # columns: eigenvectors U
        self.register_buffer("spread", torch.ones(dims, dtype=torch.float64))  # eigenvalues λ of the images
        self.register_buffer("ridge", torch.zeros((), dtype=torch.float64))  # r, in grey levels

    def fit(self, images, mirror=True):
        """Read mean and covariance off uint8 images (N, C, H, W), and off their mirror images. -> self."""
        bits.check_images(images, self.shape[0])
        if mirror:
            images = torch.cat([images, images.flip(3)])
        x = images.flatten(1).double() + 0.5  # the middle of each pixel's interval
        self.mean.copy_(x.mean(0))
        x -= self.mean
        spread, basis = torch.linalg.eigh(x.T @ x / len(x))
        self.spread.copy_(spread.clamp_min(0))
        self.basis.copy_(basis)
        return self

    def variances(self):
        """Variances of y = x + u along the eigenvectors, in grey levels squared. -> (D,)."""
        return self.spread + 1 / 12 + self.ridge**2

    def log_density(self, y):
        """log p(y) of real images on the scale 0 to 256, in nats. (N, C, H, W) -> (N,)."""
        z = (y.flatten(1).double() - self.mean) @ self.basis
        return -0.5 * (z**2 / self.variances() + torch.log(2 * math.pi * self.variances())).sum(1)

    def log_prob(self, images):
        """E_u[log p(x + u)], the bound on log P(x) in nats, exact over the noise u. uint8 -> (N,)."""
        bits.check_images(images, self.shape[0])
        middle = self.log_density(images.double() + 0.5)
        return middle - 0.5 * (1 / 12 / self.variances()).sum()

    def sample(self, n, generator=None):
        """Draw n images, rounded and clipped to grey levels. -> uint8 (n, C, H, W)."""
        z = torch.randn(n, len(self.mean), dtype=torch.float64, generator=generator)
        y = self.mean + (z * self.variances().sqrt()) @ self.basis.T
        return y.floor().clamp(0, 255).to(torch.uint8).reshape(n, *self.shape)
