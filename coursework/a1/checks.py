"""Points and hidden checks of A1. `student` answers from the submission's process, `master` is the solution.

Shapes and values are drawn here, so that an answer which knows the visible checks by heart gains nothing.
"""

import itertools
import math

import numpy as np
import torch

from tools.course.assignment import hidden
from tools.course.sandbox import Source

VISIBLE = {"bits": 1, "density": 1, "edges": 1, "logistic": 1, "mixture": 1, "mask": 1, "seen": 1, "total": 1}
TEXTS = {"compare": 5}


def draw(seed):
    return np.random.default_rng(seed)


def agree(student, master, name, *arguments, tolerance=1e-5):
    """Assert that both give the same, shape for shape."""
    given, right = getattr(student, name)(*arguments), getattr(master, name)(*arguments)
    pairs = zip(given, right, strict=True) if isinstance(right, tuple) else [(given, right)]
    assert all(master.near(a, b, tolerance) for a, b in pairs)


@hidden("bits", 1, "Try images of other shapes, with more colours than one, and several at once")
def bits_of_other_shapes(student, master):
    for shape in [(1, 28, 28), (3, 32, 16), (4, 5, 9)]:
        for scale in (300, 2):  # the smaller as reports are, where rounding shows
            agree(student, master, "bits_per_dim", torch.from_numpy(draw(1).normal(-3 * scale, scale, 7)), shape)


@hidden("density", 1, "A density that is not flat: which sign does each term have?")
def densities_that_are_not_flat(student, master):
    agree(student, master, "bits_of_density", torch.from_numpy(draw(2).normal(500, 2000, 5)), 3072)
    sharp = torch.from_numpy(draw(2).normal(300, 20, 5))  # the bits of a density may lie below zero
    agree(student, master, "bits_of_density", sharp, 12)


@hidden("density", 1, "Does the width of a grey level count once for every dimension?")
def densities_of_other_sizes(student, master):
    for dims in (1, 7, 784):
        agree(student, master, "bits_of_density", torch.tensor([0.0, -3.5], dtype=torch.float64), dims)


@hidden("edges", 1, "The bins must touch: each begins where the one before it ends; the outer two are open")
def bins_touch(student, master):
    levels = torch.arange(master.LEVELS)
    lower, upper = student.bin_edges(levels)
    assert master.near(upper[:-1], lower[1:]) and lower[0] == -math.inf and upper[-1] == math.inf
    agree(student, master, "bin_edges", levels)


@hidden("edges", 1, "Grey levels come as images come, as uint8 of any shape")
def levels_as_images_have_them(student, master):
    levels = torch.from_numpy(draw(3).integers(0, master.LEVELS, (2, 3, 4, 5)).astype(np.uint8))
    agree(student, master, "bin_edges", levels)


def logistics(master, seed, shape, narrowest=-4):
    """Levels, means and log-scales on the cohort's scale."""
    rng, width = draw(seed), master.HIGH - master.LOW
    mean = torch.from_numpy(rng.uniform(master.LOW - 0.2 * width, master.HIGH + 0.2 * width, shape))
    log_scale = torch.from_numpy(rng.uniform(narrowest, -1, shape) + math.log(width))
    return torch.from_numpy(rng.integers(0, master.LEVELS, shape)), mean, log_scale


@hidden("logistic", 1, "Over all grey levels the probabilities must sum to one, wherever the mean lies")
def levels_sum_to_one(student, master):
    _, mean, log_scale = logistics(master, 4, (6,))
    levels = torch.arange(master.LEVELS)[:, None].expand(-1, 6)
    log_p = student.log_prob_of_levels(levels, mean.expand(len(levels), 6), log_scale.expand(len(levels), 6))
    assert master.near(torch.as_tensor(log_p).exp().sum(0), torch.ones(6))


@hidden("logistic", 1, "Arguments broadcast, as PyTorch's do")
def logistics_broadcast(student, master):
    levels, mean, log_scale = logistics(master, 5, (4, 3, 2, 2), narrowest=-2)  # so wide that no tail is tiny
    levels[0], levels[1] = 0, master.LEVELS - 1
    for some in (levels, levels.clamp(1, master.LEVELS - 2)):  # with the outer bins and without
        agree(student, master, "log_prob_of_levels", some, mean[:, :1], log_scale[:1, :, :1, :1], tolerance=1e-4)
        agree(student, master, "log_prob_of_levels", some[:, :, :1], mean, log_scale[:1, :, :1, :1], tolerance=1e-4)


@hidden("logistic", 1, "Far from its mean a logistic's probability is tiny, and its logarithm is still a number")
def tails_are_finite(student, master):
    levels = torch.tensor([0, 1, master.LEVELS // 2, master.LEVELS - 2, master.LEVELS - 1])
    mean = torch.tensor([master.HIGH, master.HIGH, master.LOW, master.LOW, master.LOW], dtype=torch.float64)
    for share in (900, 20_000):
        log_scale = torch.full((5,), math.log((master.HIGH - master.LOW) / share), dtype=torch.float64)
        agree(student, master, "log_prob_of_levels", levels, mean, log_scale, tolerance=1e-3)


@hidden("mixture", 1, "Other shapes, and logits and log-probabilities that are further apart than what exp can hold")
def mixtures_of_any_size(student, master):
    rng = draw(6)
    for shape, low in [((3, 4, 3), -5.0), ((2, 5, 4), -2000.0)]:
        logits = torch.from_numpy(rng.normal(0, 2, shape))
        agree(student, master, "log_mixture", logits, torch.from_numpy(low + rng.normal(0, 3, shape)))
    for shape in [(4, 4, 4), (2, 3, 5)]:
        apart = [torch.from_numpy(rng.normal(-3000, 900, shape)) for _ in range(2)]
        agree(student, master, "log_mixture", *apart)


@hidden("mask", 1, "Kernels of size 5 and 7, and both kinds: at the centre, A and B differ by one colour alone")
def masks_of_other_sizes(student, master):
    for kind, size in itertools.product("AB", (5, 7)):
        agree(student, master, "layer_mask", kind, 3, 3, size)


@hidden("mask", 1, "More channels than three, and not as many outputs as inputs: which way round are the weights?")
def masks_of_more_channels(student, master):
    for kind, outputs, inputs in [("A", 12, 3), ("A", 9, 6), ("B", 6, 9), ("B", 3, 12)]:
        agree(student, master, "layer_mask", kind, outputs, inputs, 3)


@hidden("mask", 1, "A pixel later in the reading order must never be seen, by any channel")
def masks_respect_the_order(student, master):
    mask = torch.as_tensor(student.layer_mask("B", 3, 3, 3)).double()
    right = torch.as_tensor(master.layer_mask("B", 3, 3, 3)).double()
    assert mask.shape == right.shape and set(mask.flatten().tolist()) == {0.0, 1.0}
    assert not (mask[right.amax((0, 1), keepdim=True).expand_as(mask) == 0]).any() and mask.sum() == right.sum()


@hidden("seen", 1, "One layer alone, and more layers than the image has rows")
def one_layer_and_many(student, master):
    for layers in (1, 9):
        agree(student, master, "seen", layers, 3, 7)


@hidden("seen", 1, "Larger kernels: the blind spot is smaller, but does not go")
def larger_kernels(student, master):
    for layers, size, side in [(2, 5, 9), (3, 5, 15), (2, 3, 11)]:
        agree(student, master, "seen", layers, size, side)


MODEL = """def model(images):
    import torch
    if images.dtype != torch.uint8 or tuple(images.shape[1:]) != {shape}:
        raise ValueError("images must be uint8, (N, C, H, W), of the shape that the text names")
    flat = images.flatten(1).double()
    return {value}
"""


def model(master, value):
    """A model to be summed: its log-probabilities are an expression of `flat`, the images' numbers."""
    return Source("model", MODEL.format(shape=tuple(master.TINY_SHAPE), value=value))


@hidden("total", 1, "Each image must count once, and only once")
def each_image_counts_once(student, master):
    agree(student, master, "total_probability", model(master, "0 * flat.sum(1)"))
    places = "-(flat * torch.arange(1, flat.shape[1] + 1)).sum(1) - 0.1 * flat[:, 0] * flat[:, -1]"
    agree(student, master, "total_probability", model(master, places))


@hidden("total", 1, "A total is a probability, not its logarithm, and may be far from one")
def totals_far_from_one(student, master):
    for value in ("flat.sum(1) + 3", "-flat.sum(1) - 50"):
        given = float(student.total_probability(model(master, value)))
        right = float(master.total_probability(model(master, value)))
        assert abs(given / right - 1) < 1e-5


@hidden("total", 1, "A model may give its log-probabilities in float32, and to some images the probability zero")
def totals_of_other_types(student, master):
    for value in ("-flat.sum(1).float()", "-flat.sum(1) - torch.where(flat[:, 0] > flat[:, 1], torch.inf, 0)"):
        agree(student, master, "total_probability", model(master, value))
