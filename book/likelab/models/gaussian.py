"""Exported from book/02_bits_per_dimension.ipynb, the chapter that explains it: edit that, then `make export`."""

import math

import torch
from torch import Tensor, nn

from likelab import bits


class Gaussian(nn.Module):
    """A full-covariance Gaussian over images, fitted in closed form.

    Bishop 2006, section 2.3. shape: (C, H, W). Eigenvectors U, eigenvalues λ and mean
    are read off images by `fit`; `ridge`, in grey levels, is to be chosen. Works in
    float64, on the device of its buffers.
    """

    def __init__(self, shape: tuple = (3, 32, 32)):
        super().__init__()
        self.shape, dims = tuple(shape), math.prod(shape)
        self.register_buffer("mean", torch.zeros(dims, dtype=torch.float64))
        # in columns, of ascending eigenvalues
        self.register_buffer("eigenvectors", torch.eye(dims, dtype=torch.float64))
        self.register_buffer("eigenvalues", torch.ones(dims, dtype=torch.float64))
        self.register_buffer("ridge", torch.zeros((), dtype=torch.float64))

    def fit(self, images: Tensor, *, mirror: bool = True) -> "Gaussian":
        """Take mean and covariance from uint8 images (N, C, H, W). -> self.

        mirror: from their mirror images as well.

        Raises ValueError where there are no images.
        """
        images = bits.as_images(images, self.shape).to(self.mean.device)
        if not len(images):
            raise ValueError("there are no images to fit to: give at least one, better some thousands")
        if mirror:
            images = torch.cat([images, images.flip(3)])
        # + 0.5: the middle of each pixel's interval
        self.mean.copy_(images.flatten(1).sum(0).double() / len(images) + 0.5)
        # In the memory of the eigenvectors, as such a matrix takes 75 MB; and in
        # batches, as all images in float64 would take hundreds.
        covariance = self.eigenvectors.zero_()
        for batch in images.split(200):
            x = batch.flatten(1).double() + 0.5 - self.mean
            covariance.addmm_(x.T, x, alpha=1 / len(images))
        eigenvalues, eigenvectors = torch.linalg.eigh(covariance)
        # rounding may leave a zero slightly negative
        self.eigenvalues.copy_(eigenvalues.clamp_min(0))
        self.eigenvectors.copy_(eigenvectors)
        return self

    def variances(self) -> Tensor:
        """Variances of y = x + u along the eigenvectors, in grey levels². -> (D,)."""
        return self.eigenvalues + 1 / 12 + self.ridge**2

    def log_density(self, y: Tensor) -> Tensor:
        """log p(y) of real images, 0 to 256, in nats. (N, C, H, W) -> (N,)."""
        z = (y.to(self.mean).flatten(1) - self.mean) @ self.eigenvectors
        return -0.5 * (z**2 / self.variances() + torch.log(2 * math.pi * self.variances())).sum(1)

    def log_prob(
        self,
        images: Tensor,
        *,
        draws: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """E_u[log p(x + u)], a bound on log P(x) in nats. uint8 (N, C, H, W) -> (N,).

        The mean over the noise u is exact: nothing is drawn, and `draws` and
        `generator` change nothing.
        """
        middle = self.log_density(bits.as_images(images, self.shape).double() + 0.5)
        return middle - 0.5 * (1 / 12 / self.variances()).sum()

    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n images, as whole grey levels. -> uint8 (n, C, H, W).

        temperature: factor of all standard deviations.

        Raises ValueError where the temperature is negative or not finite.
        """
        n = bits.whole(n, "n", 0)
        noise = torch.randn(n, len(self.mean), **bits.chance(generator, dtype=torch.float64)).to(self.mean.device)
        z = bits.checked_temperature(temperature) * self.variances().sqrt() * noise
        y = self.mean + z @ self.eigenvectors.T
        return y.floor().clamp(0, 255).to(torch.uint8).reshape(n, *self.shape)
