"""Units and scores: nats, bits per dimension, dequantisation, AUROC.

Every likelihood of the book passes through here, so that all models are compared in one unit.
"""

import hashlib
import math
import operator

import numpy as np
import torch
from scipy import stats

LEVELS = 256  # grey levels of an 8-bit image


def per_dim(log_prob: torch.Tensor | np.ndarray | float, dims: int) -> torch.Tensor | np.ndarray | float:
    """Turn log-probabilities in nats into bits per dimension; lower is likelier.

    log_prob: tensor, array or number, nats per image; dims: numbers in one image (3,072 for 3×32×32).
    Returns the same kind and shape. Theis, van den Oord & Bethge 2016, section 3.1.
    """
    return -log_prob / (dims * math.log(2))


def as_images(images: torch.Tensor | np.ndarray, shape: tuple | None = None) -> torch.Tensor:
    """Images as a model wants them, a uint8 tensor (N, C, H, W): the one place where they are checked.

    images: a uint8 tensor, or a uint8 array, which becomes a tensor; N may be 0. shape: (C, H, W) that they must have.
    Raises TypeError or ValueError, with the remedy.
    """
    if isinstance(images, np.ndarray) and images.dtype == np.uint8:
        images = torch.from_numpy(images.copy())  # an array may be read-only, or run backwards
    if not isinstance(images, torch.Tensor) or images.dtype != torch.uint8:
        kind = getattr(images, "dtype", type(images).__name__)
        raise TypeError(
            f"images must be uint8, grey levels 0 to 255, as a tensor or an array; these are {kind}: "
            "give the model the images as data.load returns them, not scaled to [0, 1]"
        )
    if images.ndim != 4:
        one = "one image is images[None]" if images.ndim == 3 else "N images of C channels, H high and W wide"
        raise ValueError(f"images must have shape (N, C, H, W), but these have {tuple(images.shape)}: {one}")
    if shape is not None and tuple(images.shape[1:]) != tuple(shape):
        raise ValueError(f"images have shape {tuple(images.shape[1:])}, but this model was built for {tuple(shape)}")
    return images


def dequantise(
    images: torch.Tensor, *, draw: int = 0, generator: torch.Generator | None = None, fresh: bool = False
) -> torch.Tensor:
    """Add uniform noise in [0, 1) to whole grey levels: y = x + u, on the scale 0 to 256.

    images: uint8 (N, C, H, W). Returns float32 of the same shape and device. The noise comes from the generator;
    without one it is new at every call (fresh), or else derives from each image's own pixels and from `draw`, so that
    a result depends neither on the batch an image stands in nor on its place there. Theis et al. 2016, section 3.1.
    """
    images = as_images(images)
    if generator is not None or fresh:
        noise = torch.rand(images.shape, **chance(generator, images.device))
    elif len(images):
        own = (_own_rng(image, draw).random(tuple(image.shape), dtype=np.float32) for image in images.cpu())
        noise = torch.stack([torch.from_numpy(values) for values in own])
    else:
        noise = torch.zeros(images.shape, dtype=torch.float32)
    y = images.float() + noise.to(images.device)
    # In float32, 255 + 0.99999999 rounds up to 256 and would leave the pixel's own interval.
    return torch.minimum(y, torch.nextafter(images.float() + 1, images.new_zeros((), dtype=torch.float32)))


def normal_noise(
    images: torch.Tensor,
    shape: tuple,
    *,
    draw: int = 0,
    generator: torch.Generator | None = None,
    fresh: bool = False,
) -> torch.Tensor:
    """Standard normal noise of the given shape for each image: float32 (N, *shape) on the images' device.

    Where it comes from is told by draw, generator and fresh, as in dequantise.
    """
    images = as_images(images)
    if generator is not None or fresh:
        noise = torch.randn((len(images), *shape), **chance(generator, images.device))
    elif len(images):
        own = (_own_rng(image, draw).standard_normal(shape, dtype=np.float32) for image in images.cpu())
        noise = torch.stack([torch.from_numpy(values) for values in own])
    else:
        noise = torch.zeros(0, *shape, dtype=torch.float32)
    return noise.to(images.device)


def whole(number: int, name: str, least: int | None = None) -> int:
    """A whole number as Python's own; NumPy's and torch's count too.

    Raises TypeError for what is none and ValueError below `least`, in the name of the argument.
    """
    try:
        value = operator.index(number)
    except TypeError as error:
        raise TypeError(f"{name} must be a whole number, and is {number!r}") from error
    if least is not None and value < least:
        raise ValueError(f"{name} is {value}: give at least {least}")
    return value


def checked_temperature(temperature: float) -> float:
    """A temperature to sample at. Raises ValueError where it is negative or not finite."""
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature is {temperature}: give 0 or more; 1 is the model itself")
    return temperature


def chance(generator: torch.Generator | None, device=None, dtype: torch.dtype = torch.float32) -> dict:
    """What torch.rand and torch.randn are told, to draw from a generator on its own device; without one on `device`.

    dtype: of the numbers; other precisions give other numbers, so it is not left to torch's default. Raises TypeError
    where the generator is none of torch's.
    """
    if generator is not None and not isinstance(generator, torch.Generator):
        kind = type(generator).__name__
        raise TypeError(f"generator must be one of torch's, as torch.Generator().manual_seed(0), and is a {kind}")
    return {"generator": generator, "device": device if generator is None else generator.device, "dtype": dtype}


def _own_rng(image, draw):
    """A source of chance whose seed is a digest of the image's pixels and of the number of the draw."""
    salt = operator.index(draw).to_bytes(8, "little")
    digest = hashlib.blake2b(image.numpy().tobytes(), digest_size=8, salt=salt)
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest.digest(), "little")))


def auroc(inside, outside) -> float:
    """Probability that an outside image scores higher than an inside image; ½ is chance.

    inside (N,), outside (M,): anomaly scores, higher is more anomalous; for a likelihood, −log p or bits
    per dimension. A detector that works is near 1; the anomaly of this book is near 0.
    Raises ValueError where a score is not finite or a set is empty. Mann & Whitney 1947: U / (N M), ties count half.
    """
    return float(_auroc(_scores("outside", outside), _scores("inside", inside)))


def auroc_interval(inside, outside, level=0.95, resamples=1000, seed=0) -> tuple[float, float, float]:
    """AUROC and its percentile bootstrap interval over images: (value, low, high).

    Images of both sets are drawn anew with replacement `resamples` times (Efron & Tibshirani 1993, ch. 13).
    The interval speaks of the images alone: it does not contain the luck of the training seed.
    """
    both = _scores("outside", outside), _scores("inside", inside)
    options = {"confidence_level": level, "n_resamples": resamples, "method": "percentile", "batch": 100}
    found = stats.bootstrap(both, _auroc, vectorized=True, rng=np.random.default_rng(seed), **options)
    return float(_auroc(*both)), *map(float, found.confidence_interval)


def _scores(name, values):
    values = np.asarray(values, dtype=np.float64)
    if values.size == 0:
        raise ValueError(f"there are no {name} scores")
    if not np.isfinite(values).all():
        raise ValueError(f"{np.sum(~np.isfinite(values))} of {values.size} {name} scores are not finite")
    return values


def _auroc(outside, inside, axis=-1):
    wins = stats.mannwhitneyu(outside, inside, axis=axis, method="asymptotic").statistic
    return wins / (outside.shape[axis] * inside.shape[axis])


def mean_interval(values, level=0.95) -> tuple[float, float, float]:
    """Mean of (N,) values with its normal interval over images: (mean, low, high). Of one value: (value, −∞, ∞)."""
    values = _scores("given", values)
    mean, half = float(values.mean()), math.inf
    if values.size > 1:
        half = float(stats.norm.ppf((1 + level) / 2) * stats.sem(values))
    return mean, mean - half, mean + half
