"""What every model of the book promises, written once.

Options are given by keyword and are called the same everywhere:

    generator    the source of all chance; without one see `log_prob`
    draws        over how many draws of the noise, or of the latent, a bound is averaged
    temperature  below 1, samples keep closer to what the model finds likely; 1 is the model itself
"""

import warnings
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Generator, Tensor


@runtime_checkable
class DensityModel(Protocol):
    """A probability of images: uint8, (N, C, H, W), grey levels 0 to 255, N from 0 upwards; tensors or arrays.

    Anything else is one TypeError or ValueError that says what is wanted (`bits.as_images`). Work is done on the
    device of the model's weights, and that is where results are.
    """

    shape: tuple[int, int, int]  # (C, H, W) of one image

    def log_prob(self, images: Tensor | np.ndarray, *, draws: int = 1, generator: Generator | None = None) -> Tensor:
        """log P of each image in nats, or a lower bound on it, (N,); the docstring of a model says which.

        Noise comes from the generator. Without one it is new at every call in training mode, as a noise that returned
        would be learnt by heart; in evaluation mode it is each image's own, so that a score depends neither on the
        batch nor on its order. Where nothing is random, `draws` and `generator` change nothing.
        """
        ...

    def sample(self, n: int, *, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """n images drawn from the model, uint8 (n, C, H, W)."""
        ...


@runtime_checkable
class DataDependent(Protocol):
    """A model whose start is taken from data (Salimans & Kingma 2016), once.

    That it was started is part of the saved state. `training.fit` starts what was not; a second call of one's own
    starts the same parameters once more, and warns that what they had learnt is lost.
    """

    initialised: Tensor  # a buffer, bool, ()

    def initialise(self, images: Tensor | np.ndarray, *, generator: Generator | None = None) -> None:
        """Take the start from uint8 images (N, C, H, W). Raises ValueError where they are too few, and says how few."""
        ...


def warn_started_again(model: DataDependent) -> None:
    """Say that a model which was initialised before is initialised once more, at the caller's line."""
    if model.initialised:
        name = type(model).__name__
        warnings.warn(
            f"this {name} was initialised before: what its start had learnt is overwritten", stacklevel=4
        )  # beyond no_grad


@runtime_checkable
class Bijection(Protocol):
    """An invertible map of (N, …) tensors, with the logarithm of its volume change (after distrax's Bijector)."""

    def forward_and_log_det(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z = f(x), and log|det ∂z/∂x| of each element of the batch, (N,)."""
        ...

    def inverse_and_log_det(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """x = f⁻¹(z), and log|det ∂x/∂z| of each element of the batch, (N,)."""
        ...
