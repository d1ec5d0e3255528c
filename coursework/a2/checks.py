"""Points and hidden checks of A2. `student` answers from the submission's process, `master` is the solution."""

import numpy as np
import torch

from tools.course.assignment import hidden
from tools.course.sandbox import Source

VISIBLE = {"forth": 1, "back": 1, "logits": 1, "channels": 1, "bits": 1, "jacobian": 1, "gap": 1}
TEXTS = {"assumption": 5}


def normal(seed, *shape, scale=1.0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, scale, shape))


def agree(student, master, name, *arguments, tolerance=1e-6):
    """Assert that both give the same, shape for shape."""
    given, right = getattr(student, name)(*arguments), getattr(master, name)(*arguments)
    pairs = zip(given, right, strict=True) if isinstance(right, tuple) else [(given, right)]
    assert all(master.near(a, b, tolerance) for a, b in pairs)


def part(student, master, name, place, *arguments):
    """Assert that one of two results is right."""
    assert master.near(getattr(student, name)(*arguments)[place], getattr(master, name)(*arguments)[place], 1e-6)


def layers(seed):
    for n, d in ((4, 6), (3, 10), (1, 2)):
        yield normal(seed, n, d), normal(seed + 1, n, d // 2, scale=2), normal(seed + 2, n, d // 2)


@hidden("forth", 2, "Values: which half is kept, in which order is shifted and scaled?")
def coupled_values(student, master):
    for arguments in layers(1):
        part(student, master, "coupling", 0, *arguments)


@hidden("forth", 1, "The log-determinant where the scales differ from image to image")
def coupled_volume(student, master):
    for arguments in layers(4):
        part(student, master, "coupling", 1, *arguments)


@hidden("back", 1, "Back and forth, every number must be where it was")
def there_and_back(student, master):
    for x, raw, shift in layers(7):
        y, _ = master.coupling(x, raw, shift)
        assert master.near(student.uncoupling(y, raw, shift)[0], x)


@hidden("back", 1, "The log-determinant of the way back")
def volume_of_the_way_back(student, master):
    for arguments in layers(10):
        part(student, master, "uncoupling", 1, *arguments)


def images(seed, *shape, levels):
    return torch.from_numpy(np.random.default_rng(seed).uniform(0, levels, shape))


@hidden("logits", 1, "Values away from the middle")
def logits_away_from_the_middle(student, master):
    part(student, master, "to_logits", 0, images(13, 3, 2, 4, 5, levels=master.LEVELS))


@hidden("logits", 1, "The log-determinant: one for each image, summed over all its numbers")
def volume_of_logits(student, master):
    part(student, master, "to_logits", 1, images(14, 3, 2, 4, 5, levels=master.LEVELS))


@hidden("logits", 1, "At both ends of the interval")
def ends_of_the_interval(student, master):
    agree(student, master, "to_logits", torch.tensor([0.0, master.LEVELS], dtype=torch.float64).reshape(2, 1, 1, 1))


@hidden("channels", 1, "Values, with a matrix that is not symmetric")
def mixed_values(student, master):
    part(student, master, "mix", 0, normal(15, 2, 3, 4, 6), normal(16, 3, 3))


@hidden("channels", 1, "The log-determinant on images that are not square, and of matrices that turn space over")
def mixed_volume(student, master):
    flipping = torch.eye(3, dtype=torch.float64)[[1, 0, 2]] * 1.5
    turning = torch.tensor([[0, -2, 0], [3, 1, 0], [1, 0, 0.5]], dtype=torch.float64)  # of complex eigenvalues
    for weight in (normal(17, 3, 3), flipping, turning):
        part(student, master, "mix", 1, normal(18, 5, 3, 4, 7), weight)


@hidden("bits", 1, "Latents and log-determinants that differ from image to image")
def bits_of_images(student, master):
    agree(student, master, "flow_bits", normal(19, 6, 12, scale=2), normal(20, 6, scale=30))


@hidden("bits", 1, "Latents far from zero")
def bits_far_out(student, master):
    agree(student, master, "flow_bits", torch.tensor([[900.0, -900.0, 1.0]], dtype=torch.float64), normal(21, 1))


CURVED = """def curved(x):
    import torch
    return x + 0.5 * torch.tanh(x.roll(1)) + 0.1 * x**3
"""
TURNED = "def turned(x):\n    return -3.0 * x.flip(0)\n"
SHRUNK = "def shrunk(x):\n    return -0.2 * x.flip(0)\n"


@hidden("jacobian", 1, "A function that mixes its numbers and bends")
def of_a_curved_function(student, master):
    for seed, size in ((22, 3), (23, 6)):
        agree(student, master, "log_det_of", Source("curved", CURVED), normal(seed, size), tolerance=1e-4)


@hidden("jacobian", 1, "A determinant may be negative, and less than one")
def of_a_function_that_turns_over(student, master):
    for size in (2, 3):
        for function in (Source("turned", TURNED), Source("shrunk", SHRUNK)):
            agree(student, master, "log_det_of", function, normal(24, size), tolerance=1e-4)


def sets(seed, outside_mean=100):
    rng = np.random.default_rng(seed)
    tint = rng.normal(0, 15, (3, 5, 4))
    inside = rng.normal(110, 40, (40, 3, 5, 4)) + tint
    outside = rng.normal(outside_mean, 20, (30, 3, 5, 4)) + rng.normal(0, 30, (30, 1, 1, 1))
    return [torch.from_numpy(np.clip(np.rint(some), 0, 255).astype(np.uint8)) for some in (inside, outside)]


@hidden("gap", 2, "More channels than one: the matrix weighs them, and mixes them")
def gaps_of_colours(student, master):
    for seed in (25, 26):
        agree(student, master, "second_order_gap", normal(seed, 3, 3), *sets(seed))


@hidden("gap", 2, "Around which point are the moments? Sets whose means differ")
def gaps_of_other_means(student, master):
    for seed in (27, 28):
        agree(student, master, "second_order_gap", torch.eye(3, dtype=torch.float64), *sets(seed, outside_mean=160))
