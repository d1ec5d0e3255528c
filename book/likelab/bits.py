"""Units and scores: nats, bits per dimension, dequantisation, AUROC.

Every likelihood of the book passes through here, so that all models are compared in one unit.
"""

import hashlib
import math

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

LEVELS = 256  # grey levels of an 8-bit image


def per_dim(log_prob, dims):
    """Turn log-probabilities in nats into bits per dimension; lower is likelier.

    log_prob: tensor, array or number, nats per image; dims: numbers in one image (3,072 for 3×32×32).
    Returns the same kind and shape. Theis, van den Oord & Bethge 2016, section 3.1.
    """
    return -log_prob / (dims * math.log(2))


def check_images(images, channels=None):
    """Raise a TypeError or ValueError, with the remedy, unless images are uint8 of shape (N, C, H, W)."""
    if not isinstance(images, torch.Tensor) or images.dtype != torch.uint8:
        kind = images.dtype if isinstance(images, torch.Tensor) else type(images).__name__
        raise TypeError(
            f"images must be a torch.uint8 tensor with grey levels 0 to 255, got {kind}: "
            "give the model the images as data.load returns them, not scaled to [0, 1]"
        )
    if images.ndim != 4:
        raise ValueError(f"images must have shape (N, C, H, W), got {tuple(images.shape)}: add the batch dimension")
    if channels is not None and images.shape[1] != channels:
        raise ValueError(f"images have {images.shape[1]} channels, but this model was built for {channels}")


def dequantise(images, draw=0, generator=None):
    """Add uniform noise in [0, 1) to whole grey levels: y = x + u, on the scale 0 to 256.

    images: uint8 (N, C, H, W). Returns float32 of the same shape and device. With a generator the noise
    comes from it. Without one it derives from each image's own pixels and from `draw`, so that a result
    depends neither on the batch an image stands in nor on its place there. Theis et al. 2016, section 3.1.
    """
    check_images(images)
    if generator is not None:
        noise = torch.rand(images.shape, generator=generator, device=generator.device)
    else:
        noise = torch.stack([_own_noise(image, draw) for image in images.cpu()]) if len(images) else images
    y = images.float() + noise.to(images.device)
    # In float32, 255 + 0.99999999 rounds up to 256 and would leave the pixel's own interval.
    return torch.minimum(y, torch.nextafter(images.float() + 1, torch.zeros((), device=images.device)))


def normal_noise(images, shape, draw=0, generator=None):
    """Standard normal noise of the given shape for each image: float32 (N, *shape) on the images' device.

    With a generator it comes from there; without one from each image's own pixels and `draw`, as in dequantise.
    """
    if generator is not None:
        noise = torch.randn((len(images), *shape), generator=generator, device=generator.device)
    elif len(images):
        own = (_own_rng(image, draw).standard_normal(shape, dtype=np.float32) for image in images.cpu())
        noise = torch.stack([torch.from_numpy(values) for values in own])
    else:
        noise = torch.zeros(0, *shape)
    return noise.to(images.device)


def _own_noise(image, draw):
    """Uniform noise for one image."""
    return torch.from_numpy(_own_rng(image, draw).random(tuple(image.shape), dtype=np.float32))


def _own_rng(image, draw):
    """A source of chance whose seed is a digest of the image's pixels and of the number of the draw."""
    digest = hashlib.blake2b(image.numpy().tobytes(), digest_size=8, salt=draw.to_bytes(8, "little"))
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest.digest(), "little")))


def auroc(inside, outside):
    """Probability that an outside image scores higher than an inside image; ½ is chance.

    inside (N,), outside (M,): anomaly scores, higher is more anomalous; for a likelihood, −log p or bits
    per dimension. A detector that works is near 1; the anomaly of this book is near 0.
    Raises ValueError where a score is not finite or a set is empty.
    """
    inside, outside = np.asarray(inside, dtype=np.float64), np.asarray(outside, dtype=np.float64)
    for name, scores in (("inside", inside), ("outside", outside)):
        if scores.size == 0:
            raise ValueError(f"there are no {name} scores")
        if not np.isfinite(scores).all():
            raise ValueError(f"{np.sum(~np.isfinite(scores))} of {scores.size} {name} scores are not finite")
    truth = np.r_[np.zeros(inside.size), np.ones(outside.size)]
    return float(roc_auc_score(truth, np.r_[inside, outside]))


def auroc_interval(inside, outside, level=0.95, resamples=1000, seed=0):
    """AUROC and its percentile bootstrap interval over images: (value, low, high).

    Images of both sets are drawn anew with replacement `resamples` times (Efron & Tibshirani 1993, ch. 13).
    The interval speaks of the images alone: it does not contain the luck of the training seed.
    """
    inside, outside = np.asarray(inside, dtype=np.float64), np.asarray(outside, dtype=np.float64)
    value = auroc(inside, outside)
    rng = np.random.default_rng(seed)
    draws = [auroc(rng.choice(inside, inside.size), rng.choice(outside, outside.size)) for _ in range(resamples)]
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return value, float(low), float(high)


def mean_interval(values, level=0.95):
    """Mean of (N,) values with its normal interval over images: (mean, low, high)."""
    values = np.asarray(values, dtype=np.float64)
    half = torch.special.ndtri(torch.tensor((1 + level) / 2, dtype=torch.float64)).item()
    half *= values.std(ddof=1) / math.sqrt(values.size)
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)
